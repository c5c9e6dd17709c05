"""The HTTP server: routes, event streams, keys, limits, metrics. `api.app` puts it together.

A request's way: `access` (id, log, last resort) -> `auth` (keys) -> `body_limit` -> the route ->
`pages` (admission, context, prompt, job) -> the engine -> `live_page` (what was said so far) ->
`sse` or one JSON document.
"""
