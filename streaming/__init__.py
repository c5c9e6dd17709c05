"""What is known of members, and how events get there: stores, caches and sinks behind ports.

`ports` says what the server needs, `memory` and `direct` are the embedded twins that need no
outside server.
"""
