"""The event-stream parser, in the browser that runs it, against the specification's corners."""

import pytest
from homepage import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PARSE = """async (chunks) => {
    const { messages } = await import("/web/stream.js");
    const retries = [];
    const body = new ReadableStream({
        start(controller) {
            for (const chunk of chunks) controller.enqueue(Uint8Array.from(chunk));
            controller.close();
        },
    });
    const found = [];
    for await (const { event, data, id } of messages(body, (ms) => retries.push(ms))) {
        found.push([event, data, id]);
    }
    return { found, retries };
}"""

WIRE = (
    ": a comment\r\nretry: 250\r\n\r\n"
    'event: row\nid: p:1\ndata: {"title":\n'
    'data: "Amélie - 日本"}\n\n'
    "data:no space\r\r"
    "event: nothing\n\n"
    "data\nignored: field\nretry: soon\n\n"
    "id: p:2\ndata: last\n\n"
    "data: cut off"
)
MESSAGES = [
    ["row", '{"title":\n"Amélie - 日本"}', "p:1"],
    ["message", "no space", "p:1"],
    ["message", "", "p:1"],
    ["message", "last", "p:2"],
]


async def test_messages_do_not_depend_on_the_chunks(visit: Visit) -> None:
    """Cut anywhere, even within a letter or a CRLF, the same messages come out."""
    wire = list(WIRE.encode())
    await visit.open()
    for size in (1, 2, 3, 7, len(wire)):
        chunks = [wire[at : at + size] for at in range(0, len(wire), size)]
        parsed = await visit.page.evaluate(PARSE, chunks)
        assert parsed == {"found": MESSAGES, "retries": [250]}, size


async def test_a_stream_that_never_recovers_is_given_up(visit: Visit) -> None:
    """Reconnections end after a few; an answer that refuses ends them at once."""
    await visit.open()
    outcome = await visit.page.evaluate(
        """async () => {
            const { lasting } = await import("/web/stream.js");
            const start = "retry: 1\\nid: p:0\\ndata: x\\n\\n";
            const asked = [];
            const follow = async (answer) => {
                const got = [];
                const open = async (lastId) => {
                    asked.push(lastId);
                    return lastId === "" ? new Response(start) : answer();
                };
                const signal = new AbortController().signal;
                try {
                    for await (const { data } of lasting(open, { signal, isLast: () => false })) {
                        got.push(data);
                    }
                    return [...got, "over"];
                } catch (error) {
                    return [...got, error.name];
                }
            };
            return {
                broken: await follow(() => { throw new TypeError("network"); }),
                asked: asked.splice(0),
                refused: await follow(() => { throw new RangeError("404"); }),
                over: await follow(() => new Response(null, { status: 204 })),
            };
        }"""
    )
    assert outcome["broken"] == ["x", "TypeError"]
    assert outcome["asked"] == ["", *["p:0"] * 6]
    assert outcome["refused"] == ["x", "RangeError"]
    assert outcome["over"] == ["x", "over"]
