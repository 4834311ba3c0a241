"""Streams that do what they are told."""

from __future__ import annotations


class Reads:
    """Has `read` alone, which does what it is told."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def read(self, size: int) -> object:
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, BaseException):
            raise answer
        return answer


class ReadsInto:
    """Has `readinto` alone, which returns what it is told."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def readinto(self, out: memoryview) -> object:
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, bytes):
            out[: len(answer)] = answer
            return len(answer)
        return answer
