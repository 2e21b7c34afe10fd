"""How far a transfer is, for people."""

from rpyc_kernel.files.progress import Progress


def test_it_is_told_a_few_times_a_second_and_not_in_the_first():
    said, now = [], [0.0]
    progress = Progress(said.append, lambda: now[0])
    progress.expect(20, 80_000_000)
    for step in range(40):
        now[0] = (step + 1) / 10
        progress.moved(1_000_000, step % 2)
    assert 9 <= len(said) <= 13
    assert said[-1] == "20 of 20 files, 40 MB of 80 MB, 10 MB/s, 4 s left"
    assert progress.seconds == 4.0


def test_the_rate_is_that_of_the_last_seconds():
    said, now = [], [0.0]
    progress = Progress(said.append, lambda: now[0])
    progress.expect(1, 1_000_000_000)
    for second in range(1, 40):
        now[0] = float(second)
        progress.moved(10_000_000 if second < 20 else 1_000_000)
    assert "1 MB/s" in said[-1]
    assert "files" not in said[-1]


def test_nobody_has_to_be_told():
    progress = Progress()
    progress.moved(5, 1)
    assert (progress.bytes, progress.files) == (5, 1)
