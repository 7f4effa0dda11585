/** The page's look: narrow enough for a phone, light or dark as its reader has it. */
export const docsStyle = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0a7d5a; }
@media (prefers-color-scheme: dark) { :root { --accent: #4fd1a5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { margin: 0; font-size: 1.6rem; }
h2 { margin: 2rem 0 0; font-size: 1.3rem; }
h3 { margin: 0 0 .5rem; font: 600 1rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
header p, .model { margin: .2rem 0; opacity: .75; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; }
a { color: var(--accent); }
article { margin: 1rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; }
article p { margin: .5rem 0; }
h3 span { color: var(--accent); }
table { display: block; overflow-x: auto; width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
code, pre { font: .85rem/1.5 ui-monospace, monospace; }
pre { margin: .6rem 0 0; padding: .6rem .8rem; background: var(--soft); border-radius: .4rem; white-space: pre-wrap; }
pre, .model, .body { overflow-wrap: anywhere; }
`
