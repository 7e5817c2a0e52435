"""Random numbers that depend on what they are for, never on what was drawn before.

A draw is a pure function of a key and a counter, so that sets, threads and the order of a batch
can't matter. Philox4x32-10: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as
1, 2, 3", SC'11, doi:10.1145/2063384.2063405. Normal quantiles: Wichura 1988, "Algorithm AS 241",
Applied Statistics 37(3), 477-484, doi:10.2307/2347330, PPND16, about 16 digits.
"""

import math

from strategy_lab_core._jit import inlined, part

__all__ = ["normal_draw", "normal_quantile", "philox"]

_LOW = 0xFFFFFFFF
_BITS = 52


@part
def philox(key_low: int, key_high: int, low: int, high: int, stream: int) -> tuple[int, int]:
    """Return the first two of the four 32-bit words of a counter's block.

    The products may overflow into the sign: their bits are the same, and masked.
    """
    a, b, c, d = int(low), int(high), int(stream), 0
    first, second = int(key_low), int(key_high)
    for _ in range(10):
        left, right = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (
            ((right >> 32) & _LOW) ^ b ^ first, right & _LOW,
            ((left >> 32) & _LOW) ^ d ^ second, left & _LOW,
        )  # fmt: skip
        first = (first + 0x9E3779B9) & _LOW
        second = (second + 0xBB67AE85) & _LOW
    return a, b


@inlined
def _ratio(x: float, top: tuple[float, ...], bottom: tuple[float, ...]) -> float:
    """Return the quotient of two polynomials, highest power first."""
    above, below = 0.0, 0.0
    for i in range(len(top)):
        above = above * x + top[i]
        below = below * x + bottom[i]
    return above / below


_A = (
    2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
    4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
    1.3314166789178437745e2, 3.3871328727963666080e0,
)  # fmt: skip
_B = (
    5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
    2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
    4.2313330701600911252e1, 1.0,
)  # fmt: skip
_C = (
    7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
    1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
    4.63033784615654529590e0, 1.42343711074968357734e0,
)  # fmt: skip
_D = (
    1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
    1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
    2.05319162663775882187e0, 1.0,
)  # fmt: skip
_E = (
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
    2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
    5.46378491116411436990e0, 6.65790464350110377720e0,
)  # fmt: skip
_F = (
    2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
    7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
    5.99832206555887937690e-1, 1.0,
)  # fmt: skip


@part
def normal_quantile(share: float) -> float:
    """Return the value below which a standard normal falls with probability `share` in (0, 1)."""
    centred = share - 0.5
    if abs(centred) <= 0.425:
        return centred * _ratio(0.180625 - centred * centred, _A, _B)
    tail = math.sqrt(-math.log(share if centred < 0 else 1.0 - share))
    value = _ratio(tail - 1.6, _C, _D) if tail <= 5.0 else _ratio(tail - 5.0, _E, _F)
    return -value if centred < 0 else value


@part
def normal_draw(key_low: int, key_high: int, number: int, stream: int) -> float:
    """Return the standard normal of message `number` in a stream, from 52 bits of its block."""
    high, low = philox(key_low, key_high, number & _LOW, number >> 32, stream)
    bits = (high << (_BITS - 32)) | (low >> (64 - _BITS))
    return normal_quantile((bits + 0.5) / 2.0**_BITS)
