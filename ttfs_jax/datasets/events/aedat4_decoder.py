"""Decode the events of an AEDAT4 file to standard output: `python aedat4_decoder.py FILE [ID]`.

A process of its own, because the decoder may abort on a damaged file. The first line is JSON, the
streams of events by number; without ID that is all. Records of t, x, y, on follow as bytes.
"""

import json
import sys

import aedat


def main(path: str, stream: str | None) -> None:
    """Write packets of a `stream` of the file `path`; end with an error at the first bad one."""
    output = sys.stdout.buffer
    decoder = aedat.Decoder(path)
    streams = {
        str(number): [entry["width"], entry["height"]]
        for number, entry in decoder.id_to_stream().items()
        if entry["type"] == "events"
    }
    output.write(json.dumps(streams).encode() + b"\n")
    output.flush()
    if stream is None:
        return
    for packet in decoder:
        if "events" in packet and str(packet["stream_id"]) == stream:
            output.write(packet["events"].tobytes())


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    except BaseException as error:  # a panic of the decoder is no Exception
        sys.stdout.buffer.flush()
        sys.exit(f"{error}")
