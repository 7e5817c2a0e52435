"""Orders and fills of ours in the naive engine."""

from dataclasses import dataclass, field

__all__ = ["KINDS", "Fill", "Own"]

KINDS = ("limit", "market", "ioc", "fok", "post_only", "stop", "stop_limit")


@dataclass
class Own:
    """An order of ours."""

    number: int
    side: int
    kind: str
    tick: int
    size: int
    tag: int
    trigger: int
    submit: int
    arrive: int = -1
    end: int = -1
    reason: str = "working"
    filled: int = 0
    known_filled: int = 0
    known_over: bool = False
    known_tick: int = 0
    known_size: int = 0
    asked_size: int = 0
    cancel_sent: bool = False
    modify_sent: bool = False
    bracket: tuple[int, int] | None = None
    sibling: "Own | None" = None
    wanted: int = 0
    ahead: dict[int, int] = field(default_factory=dict)
    queue_ahead: int = -1

    def row(self, tick_size: int) -> tuple[object, ...]:
        """Return the row of the orders table, without the average price."""
        letter = "B" if self.side > 0 else "A"
        is_market = self.kind in ("market", "stop")
        price = None if is_market and self.tick == 0 else self.tick * tick_size
        trigger = self.trigger * tick_size if "stop" in self.kind else None
        asked = (self.number, letter, self.kind, self.tag, price, trigger, self.size)
        life = (self.submit, self.arrive, self.end, self.reason)
        return (*asked, self.filled, *life, self.queue_ahead)


@dataclass
class Fill:
    """A fill of ours."""

    order: int
    ts: int
    local: int
    tick: int
    lots: int
    maker: bool
    position: int

    def row(self, tick_size: int) -> tuple[object, ...]:
        """Return order, times, price, lots, liquidity and the position after it."""
        price, letter = self.tick * tick_size, "M" if self.maker else "T"
        return (self.order, self.ts, self.local, price, self.lots, letter, self.position)
