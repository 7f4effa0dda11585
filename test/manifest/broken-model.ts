/** More of what `broken.ts` has: models, steps and routes. */
export const brokenModel: Record<string, [written: string, ...told: string[]][]> = {
  model: [
    ['model:', '1:1 model: expected a mapping with hef, onnx or both, found nothing; write model: { onnx: file.onnx }'],
    [
      'model: a.onnx',
      '1:8 model: expected a mapping with hef, onnx or both, found "a.onnx"; write model: { onnx: file.onnx }',
    ],
    [
      'model: { onx: a.onnx }',
      '1:10 model.onx: expected one of engine, hef, batch, power_mode, onnx, found "onx"; did you mean onnx?',
    ],
    ['model: { engine: cpu }', '1:18 model.engine: expected one of auto, hailort, onnxruntime, found "cpu"'],
    [
      'model: { engine: HailoRT }',
      '1:18 model.engine: expected one of auto, hailort, onnxruntime, found "HailoRT"; did you mean hailort?',
    ],
    [
      'model: { hef: a.hef }',
      '1:15 model.hef: expected an entry for each chip, found "a.hef"; write hef: { hailo8: file.hef }',
    ],
    [
      'model: { hef: { hailo9: a.hef } }',
      '1:17 model.hef.hailo9: expected one of hailo8, hailo8l, hailo10h, found "hailo9"; did you mean hailo8?',
    ],
    [
      'model: { hef: { hailo8: 3 } }',
      '1:25 model.hef.hailo8: expected a path, a URL, or a mapping with file or url, found 3',
    ],
    [
      'model: { onnx: [] }',
      '1:16 model.onnx: expected a path, a URL, or a mapping with file or url, found an empty list',
    ],
    ['model: { onnx: "" }', '1:16 model.onnx: expected a path, a URL, or a mapping with file or url, found ""'],
    [
      'model: { onnx: ../a.onnx }',
      '1:16 model.onnx: expected a path under the models folder without "..", or an absolute path, found "../a.onnx"',
    ],
    [
      'model: { onnx: a/./b.onnx }',
      '1:16 model.onnx: expected a path under the models folder without "..", or an absolute path, found "a/./b.onnx"',
    ],
    [
      'model: { onnx: models/ }',
      '1:16 model.onnx: expected a path under the models folder without "..", or an absolute path, found "models/"',
    ],
    [
      'model: { onnx: "ftp://a.example/b.onnx" }',
      '1:16 model.onnx: expected a path under the models folder without "..", or an absolute path, found "ftp://a.example/b.onnx"',
    ],
    [
      'model: { onnx: "https://a.example/" }',
      '1:16 model.onnx: expected a URL that ends in a file name, found "https://a.example/"; or write { url, file }',
    ],
    [
      'model: { onnx: { file: a.onnx, license: [MIT] } }',
      '1:41 model.onnx.license: expected a licence such as Apache-2.0, found a list of 1',
    ],
    [
      'model: { onnx: "https://a.example/b.zip?x=1" }',
      '1:16 model.onnx: expected a URL of the file itself, found "https://a.example/b.zip?x=1"; or write { url, member }, with the file in the archive',
    ],
    [
      'model: { onnx: { url: "https://a.example/b.tar.gz" } }',
      '1:23 model.onnx.url: expected a URL of the file itself, or of a .zip, found "https://a.example/b.tar.gz"; or write { url, file } and unpack it there by hand',
    ],
    [
      'model: { onnx: { file: a.onnx, member: b.onnx } }',
      '1:40 model.onnx.member: expected url as well, of the archive that holds it, found "b.onnx"',
    ],
    [
      'model: { onnx: { url: "https://a.example/b.zip", member: a/.. } }',
      '1:58 model.onnx.member: expected the path of a file in the archive, without "..", found "a/.."',
    ],
    ['model: { onnx: {} }', '1:16 model.onnx: expected file, url or both, found an empty mapping'],
    [
      'model: { onnx: { fil: a.onnx } }',
      '1:16 model.onnx: expected file, url or both, found a mapping with fil',
      '1:18 model.onnx.fil: expected one of name, file, url, member, sha256, layout, mean, std, channels, decode, license, found "fil"; did you mean file?',
    ],
    [
      'model: { onnx: { file: 3 } }',
      '1:24 model.onnx.file: expected a path under the models folder without "..", or an absolute path, found 3',
    ],
    [
      'model: { onnx: { url: a.onnx } }',
      '1:23 model.onnx.url: expected a URL that begins with http:// or https://, found "a.onnx"',
    ],
    [
      'model: { onnx: { url: "https://a.example/b/" } }',
      '1:23 model.onnx.url: expected a URL that ends in a file name, found "https://a.example/b/"; or give file as well',
    ],
    [
      'model: { onnx: { file: a, sha256: 33 } }',
      '1:35 model.onnx.sha256: expected a sha256 of 64 hex digits, found 33; put it in quotes',
    ],
    [
      'model: { onnx: { file: a, layout: NCHW } }',
      '1:35 model.onnx.layout: expected one of nchw, nhwc, found "NCHW"; did you mean nchw?',
    ],
    [
      'model: { onnx: { file: a, mean: x } }',
      '1:33 model.onnx.mean: expected a number, or a list with one for each channel, found "x"',
    ],
    [
      'model: { onnx: { file: a, mean: [] } }',
      '1:33 model.onnx.mean: expected a number, or a list with one for each channel, found an empty list',
    ],
    [
      'model: { onnx: { file: a, mean: [1, x, 3] } }',
      '1:37 model.onnx.mean[1]: expected a number, or a list with one for each channel, found "x"',
    ],
    [
      'model: { onnx: { file: a, mean: .nan } }',
      '1:33 model.onnx.mean: expected a number, or a list with one for each channel, found NaN',
    ],
    [
      'model: { onnx: { file: a, std: 0 } }',
      '1:32 model.onnx.std: expected a number other than 0, or a list with one for each channel, found 0',
    ],
    [
      'model: { onnx: { file: a, std: [1, 0, 1] } }',
      '1:36 model.onnx.std[1]: expected a number other than 0, or a list with one for each channel, found 0',
    ],
    [
      'model: { onnx: { file: a, mean: [1, 2, 3], std: [1, 2] } }',
      '1:49 model.onnx.std: expected as many numbers as mean has, or one, found a list of 2',
    ],
    [
      'model: { onnx: { file: a, channels: gray } }',
      '1:37 model.onnx.channels: expected one of rgb, bgr, found "gray"',
    ],
    [
      'model: { onnx: { file: a, decode: 3 } }',
      '1:35 model.onnx.decode: expected a word that the function knows, found 3',
    ],
    [
      'files: [labels.txt]',
      '1:8 files: expected a mapping of names to paths such as { labels: labels.txt }, found a list of 1',
    ],
    [
      'files: { labels: ../labels.txt }',
      '1:18 files.labels: expected a path under the models folder without "..", or an absolute path, found "../labels.txt"',
    ],
    [
      'files: { labels: "https://a.example/labels.txt" }',
      '1:18 files.labels: expected a path under the models folder without "..", or an absolute path, found "https://a.example/labels.txt"',
    ],
    [
      'files: { "my labels": a.txt }',
      '1:10 files["my labels"]: expected a name of letters, digits, _ and -, found "my labels"',
    ],
  ],
  'steps and routes': [
    ['pre: tensor', '1:6 pre: expected a list of steps such as [image.decode, tensor], found "tensor"'],
    [
      'pre:',
      '1:1 pre: expected a list of steps such as [image.decode, tensor], found nothing; give it a value or leave the key out',
    ],
    [
      'pre: [3]',
      '1:7 pre[0]: expected a step: a name such as tensor, or a name with options such as { image.letterbox: { background: 114 } }, found 3',
    ],
    [
      'pre: [image decode]',
      '1:7 pre[0]: expected a step: a name such as tensor, or a name with options such as { image.letterbox: { background: 114 } }, found "image decode"',
    ],
    [
      'pre: [{}]',
      '1:7 pre[0]: expected a step: a name such as tensor, or a name with options such as { image.letterbox: { background: 114 } }, found an empty mapping',
    ],
    ['pre: [{ tensor: 3 }]', '1:17 pre[0].tensor: expected the step’s options, e.g. { top: 5 }, found 3'],
    ['pre: [{ "a b": {} }]', '1:9 pre[0]["a b"]: expected a step name such as image.decode, found "a b"'],
    [
      'post:\n  - scrfd.decode:\n    threshold: 0.5',
      '2:5 post[0]: expected one step name with its options, found a mapping with scrfd.decode, threshold; indent options below the name, begin each step with "- "',
    ],
    [
      'post: [{ a: {}, b: {} }]',
      '1:8 post[0]: expected one step name with its options, found a mapping with a, b; indent options below the name, begin each step with "- "',
    ],
    ['post: [{ a: { x: .nan } }]', '1:18 post[0].a.x: expected a finite number, found NaN'],
    ['input: [top]', '1:8 input: expected a mapping of option names to values such as { top: 5 }, found a list of 1'],
    ['input: { a: { b: [.inf] } }', '1:19 input.a.b[0]: expected a finite number, found Infinity'],
    [
      'route: /v1/x',
      '1:8 route: expected a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end, found "/v1/x"',
    ],
    [
      'route: post /v1/x',
      '1:8 route: expected a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end, found "post /v1/x"',
    ],
    [
      'route: POST /v1/x/',
      '1:8 route: expected a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end, found "POST /v1/x/"',
    ],
    [
      'route: POST /v1/{id}',
      '1:8 route: expected a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end, found "POST /v1/{id}"',
    ],
    [
      'route: POST /v1/../x',
      '1:8 route: expected a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end, found "POST /v1/../x"',
    ],
    [
      'route: POST /v1//x',
      '1:8 route: expected a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end, found "POST /v1//x"',
    ],
    [
      'route: HEAD /v1/x',
      '1:8 route: expected a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end, found "HEAD /v1/x"',
    ],
    [
      'route: POST /',
      '1:8 route: expected a path that is not Pellet’s own (/, /docs, /openapi.json, /metrics, /health*, /api/*, /f/* and /results/*), found "POST /"',
    ],
    [
      'route: GET /docs',
      '1:8 route: expected a path that is not Pellet’s own (/, /docs, /openapi.json, /metrics, /health*, /api/*, /f/* and /results/*), found "GET /docs"',
    ],
    [
      'route: GET /openapi.json',
      '1:8 route: expected a path that is not Pellet’s own (/, /docs, /openapi.json, /metrics, /health*, /api/*, /f/* and /results/*), found "GET /openapi.json"',
    ],
    [
      'route: GET /metrics',
      '1:8 route: expected a path that is not Pellet’s own (/, /docs, /openapi.json, /metrics, /health*, /api/*, /f/* and /results/*), found "GET /metrics"',
    ],
    [
      'route: GET /healthz',
      '1:8 route: expected a path that is not Pellet’s own (/, /docs, /openapi.json, /metrics, /health*, /api/*, /f/* and /results/*), found "GET /healthz"',
    ],
    [
      'route: POST /api/x',
      '1:8 route: expected a path that is not Pellet’s own (/, /docs, /openapi.json, /metrics, /health*, /api/*, /f/* and /results/*), found "POST /api/x"',
    ],
    [
      'route: POST /f/x',
      '1:8 route: expected a path that is not Pellet’s own (/, /docs, /openapi.json, /metrics, /health*, /api/*, /f/* and /results/*), found "POST /f/x"',
    ],
    [
      'route: POST /results/x',
      '1:8 route: expected a path that is not Pellet’s own (/, /docs, /openapi.json, /metrics, /health*, /api/*, /f/* and /results/*), found "POST /results/x"',
    ],
    ['routes: {}', '1:9 routes: expected at least one route, found an empty mapping; or leave the key out'],
    [
      'routes: [POST /x]',
      '1:9 routes: expected a mapping of routes to steps such as POST /v1/detect: [detections], found a list of 1',
    ],
    [
      'routes: { POST /x: }',
      '1:11 routes["POST /x"]: expected a list of post steps, or a mapping with pre, post and input, found nothing; give it a value or leave the key out',
    ],
    [
      'routes: { POST /x: detect }',
      '1:20 routes["POST /x"]: expected a list of post steps, or a mapping with pre, post and input, found "detect"',
    ],
    [
      'routes: { POST /x/: [] }',
      '1:11 routes["POST /x/"]: expected a method and a path such as "POST /v1/detect": letters, digits and -._~, no parameters, no slash at the end, found "POST /x/"',
    ],
    ['routes: { POST /x: { por: [] } }', '1:22 routes["POST /x"].por: expected one of pre, post, input, found "por"'],
    [
      'routes: { POST /x: { post: [3] } }',
      '1:29 routes["POST /x"].post[0]: expected a step: a name such as tensor, or a name with options such as { image.letterbox: { background: 114 } }, found 3',
    ],
    [
      'routes: { POST /x: [3] }',
      '1:21 routes["POST /x"][0]: expected a step: a name such as tensor, or a name with options such as { image.letterbox: { background: 114 } }, found 3',
    ],
    ['route: POST /a\nroutes: { POST /b: [] }', '1:1 route: expected route or routes, not both, found both'],
  ],
}
