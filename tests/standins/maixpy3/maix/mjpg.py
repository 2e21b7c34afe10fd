"""The MJPEG server's queue, which nobody reads here: it blocks when it is full."""

import queue

MjpgQueue = None


def start_mjpg(size=8):
    global MjpgQueue
    MjpgQueue = queue.Queue(maxsize=size)


def store_mjpg(img):
    if MjpgQueue is not None:
        MjpgQueue.put(img)
