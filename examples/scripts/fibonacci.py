"""What upload.py sends to the other machine: plain Python, any version of it."""


def fibonacci(n):
    values = [0, 1]
    while len(values) < n:
        values.append(values[-1] + values[-2])
    return values[:n]
