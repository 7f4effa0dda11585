import { requests, curlForm, fieldsOf, foreignForm, form, head, jsonRequest, withBody, type Habit } from './habit.ts'

/** How pictures are sent, recorded from the tools byte for byte but for the boundary: as files, as bytes, as base64. */
export const pictureHabits: Habit[] = [
  {
    name: 'curl -F: the file with its type, then fields',
    sends: 'picture',
    write: (target, host) => [Buffer.concat([...curlForm(target, host, target.picture!)])],
  },
  {
    name: 'curl -F of more than 1 MB: waits for 100 Continue',
    sends: 'picture',
    expects: true,
    write: (target, host) => curlForm(target, host, target.large.picture!, 'Expect: 100-continue'),
  },
  {
    name: 'requests files=: fields first, a file without a type, head and body apart',
    sends: 'picture',
    write: ({ path, picture, options }, host) => {
      const boundary = 'a33b87246d253f5c59d7653b1b219d59'
      const file = `Content-Disposition: form-data; name="image"; filename="${picture!.name}"`
      const body = form(boundary, [...fieldsOf(options), { head: file, body: picture!.bytes }])
      return [
        head(`POST ${path} HTTP/1.1`, [
          `Host: ${host}`,
          ...requests,
          `Content-Length: ${body.length}`,
          `Content-Type: multipart/form-data; boundary=${boundary}`,
        ]),
        body,
      ]
    },
  },
  {
    name: "requests' urllib3 before 2: a file name beyond ASCII as filename* alone",
    sends: 'picture',
    write: (target, host) =>
      foreignForm(target, host, 'boundary=4f1d2b', `form-data; name="image"; filename*=utf-8''T%C3%BCr.jpg`),
  },
  {
    name: '.NET: a boundary in quotes, a name without them, filename and filename*',
    sends: 'picture',
    write: (target, host) =>
      foreignForm(
        target,
        host,
        'boundary="c5a3e1b0-6a57-4f0e-8d2e-0e5d6f4b1a11"',
        `form-data; name=image; filename=snap.jpg; filename*=utf-8''snap.jpg`,
      ),
  },
  {
    name: 'a form with text before it and after it',
    sends: 'picture',
    write: ({ path, picture, options }, host) => {
      const file = `Content-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg`
      const inner = form('xyz', [...fieldsOf(options), { head: file, body: picture!.bytes }])
      const body = Buffer.concat([Buffer.from('This is a message in parts.\r\n'), inner, Buffer.from('The end.\r\n')])
      return [withBody(path, host, 'multipart/form-data; boundary=xyz', body)]
    },
  },
  {
    name: 'raw bytes with their type, options in the query',
    sends: 'picture',
    write: ({ path, picture, options }, host) => [
      withBody(`${path}?${new URLSearchParams(options)}`, host, picture!.type, picture!.bytes),
    ],
  },
  {
    name: 'raw bytes without a type, as requests data= sends them',
    sends: 'picture',
    write: ({ path, picture, options }, host) => [
      head(`POST ${path}?${new URLSearchParams(options)} HTTP/1.1`, [
        `Host: ${host}`,
        ...requests,
        `Content-Length: ${picture!.bytes.length}`,
      ]),
      picture!.bytes,
    ],
  },
  {
    name: "curl --data-binary with the form's type",
    sends: 'picture',
    write: ({ path, picture, options }, host) => [
      withBody(`${path}?${new URLSearchParams(options)}`, host, 'application/x-www-form-urlencoded', picture!.bytes),
    ],
  },
  {
    name: 'base64 in lines of 76, as Python encodebytes and the base64 command write it',
    sends: 'base64',
    write: ({ path, picture, json }, host) => {
      const image = picture!.bytes.toString('base64').replaceAll(/.{76}/g, '$&\n') + '\n'
      return [jsonRequest(path, host, { ...json, image })]
    },
  },
  {
    name: "null for what is not given, as Python's None becomes",
    sends: 'base64',
    write: ({ path, json }, host) => {
      const none = ['image_url', 'colormap', 'normalize', 'conf_threshold', 'annotate', 'more']
      return [jsonRequest(path, host, { ...Object.fromEntries(none.map((name) => [name, null])), ...json })]
    },
  },
  {
    name: 'a data URI',
    sends: 'base64',
    write: ({ path, picture, json }, host) => {
      const image = `data:${picture!.type};base64,${picture!.bytes.toString('base64')}`
      return [jsonRequest(path, host, { ...json, image })]
    },
  },
  {
    name: 'a data URI in lines',
    sends: 'base64',
    write: ({ path, picture, json }, host) => {
      const lines = picture!.bytes.toString('base64').replaceAll(/.{76}/g, '$&\r\n')
      return [jsonRequest(path, host, { ...json, image: `data:${picture!.type};base64,${lines}` })]
    },
  },
]
