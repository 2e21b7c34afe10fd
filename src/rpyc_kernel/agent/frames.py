"""The frames between the keeper and its worker.

A frame from the worker starts with `FRAME`: its kind, the number of the request it belongs to, its length, and two
*stamps*, one for each of the pipes behind fd 1 and 2: how many bytes others (C code, child processes) had written there
before this frame was made. The keeper first reads the pipes up to these stamps, so that everything stays in order
although it comes three ways. (Where the worker isn't forked the stamps are 0, and `marked_frames` keep the order.) A
frame to the worker starts with `REQUEST`: number and length.
"""

from __future__ import annotations

import struct

FRAME = struct.Struct("<BIIQQ")
PIPE_BYTES = 1 << 18  #: the worker may be so far ahead of its keeper, where the system lets us choose
REQUEST = struct.Struct("<II")
# words of the keeper, each in the place of a length
INTERRUPT = 0xFFFFFFFF  #: interrupt the request with that number
CARRIES = 0xFFFFFFFE  #: the link carries that number of bytes a second
LEAVE = 0xFFFFFFFD  #: no request will follow: end in order, with the cell that runs
HURRY = 0xFFFFFFFC  #: the time for that is used up: run the exit functions now
HEARD = 0xFFFFFFFB  #: the kernel's first heartbeat has come
RUN = 0xFFFFFFFA  #: run the function with that number, which was registered for a safe stop, on a thread
FAILED_CODE = 70  #: the exit code of a worker that has said `FAILED`
WORDS = (INTERRUPT, CARRIES, LEAVE, HURRY, HEARD, RUN)

# kinds of frames from the worker
STDOUT, STDERR = 1, 2  #: text that Python wrote, UTF-8
MESSAGE = 3  #: a finished message
URGENT = 4  #: a message that somebody waits for: a reply or an input_request
BEGUN = 5  #: the request's code starts to run; no data
ENDED = 6  #: the request's reply, its last message, after which another may begin
PICTURE = 7  #: a message of ``show``: of one display, a newer picture takes the place of one that still waits
FAILED = 8  #: the worker can't go on, by no fault of a cell's code; a sentence that says why
RESTART = 9  #: the cell has asked for a fresh Python; no data
STOPS = 10  #: JSON: which functions the user's code has registered for a safe stop, or that one has run

STREAMS = {STDOUT: "stdout", STDERR: "stderr"}
