"""
Numbers workers 0, 1, 2, ... and gives a dead worker's number to its replacement.

prometheus_client names a worker's files by PID, and counters must outlive their worker. Where workers are killed all day,
that is a new set of files for every kill, all read on every scrape. By number, the replacement goes on where the dead one
stopped, and there are never more files than workers.
"""

from prometheus_client import values


class WorkerSlots:
    def __init__(self) -> None:
        self._takers: dict[int, object] = {}

    def take(self, worker: object) -> int:
        slot = next(n for n in range(len(self._takers) + 1) if n not in self._takers)
        self._takers[slot] = worker
        return slot

    def give_back(self, worker: object) -> None:
        self._takers = {slot: taker for slot, taker in self._takers.items() if taker is not worker}

    @staticmethod
    def name_metric_files_by(slot: int) -> None:
        """Called in a new worker, before it creates its first metric."""
        values.ValueClass = values.MultiProcessValue(process_identifier=lambda: slot)
