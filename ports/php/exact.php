<?php

declare(strict_types=1);

namespace MicroGPT;

use GMP;

/**
 * exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone (SPEC, section 2).
 * A number in fixed point is an integer that stands for itself / 2**bits.
 */
final class Exact
{
    /** Units of the last place by which a value below may be off; 2**17 is a generous count. */
    private const SLACK = 1 << 24;

    /** @var array<string, GMP> what was computed already, by its name and bits */
    private static array $known = [];

    public static function exp(float $x): float
    {
        return match (true) {
            is_nan($x) => NAN,
            abs($x) > 746.0 => $x > 0.0 ? INF : 0.0,
            abs($x) < 2.0 ** -54 => 1.0,
            default => self::nearest(function (int $bits) use ($x): array {
                [$k, $r] = gmp_div_qr(self::fixed($x, $bits), self::ln2($bits), GMP_ROUND_MINUSINF);
                return [self::growth($r >> 12, $bits), gmp_intval($k) - $bits];
            }),
        };
    }

    public static function log(float $x): float
    {
        if (is_nan($x) || $x < 0.0) {
            return NAN;
        }
        if ($x === 0.0 || $x === 1.0 || $x === INF) {
            return $x === 1.0 ? 0.0 : ($x > 0.0 ? INF : -INF);
        }
        [$m, $q] = self::split($x);
        $length = self::length($m);
        $places = $length > 1 && gmp_testbit($m, $length - 2) ? $length : $length - 1; // m is from 3/4 to 3/2
        $e = $q + $places;
        $size = self::nearest(function (int $bits) use ($m, $e, $places): array {
            $one = gmp_init(1) << $bits;
            $n = $m << $bits - $places;
            $z = gmp_div_q(gmp_abs($n - $one) << $bits, $n + $one);
            $square = $z * $z >> $bits;
            [$total, $k] = [gmp_init(0), 1];
            while ($z > 0) {
                $total += gmp_div_q($z, $k);
                $z = $z * $square >> $bits;
                $k += 2;
            }
            $sum = self::ln2($bits) * $e + ($n > $one ? $total : -$total) * 2;
            return [gmp_abs($sum), -$bits];
        });
        return $x < 1.0 ? -$size : $size;
    }

    public static function sin(float $x): float
    {
        return match (true) {
            is_nan($x), abs($x) < 2.0 ** -26 => $x,
            $x < 0.0 => -self::wave(-$x, 0),
            default => self::wave($x, 0),
        };
    }

    public static function cos(float $x): float
    {
        return match (true) {
            is_nan($x) => $x,
            abs($x) < 2.0 ** -27 => 1.0,
            default => self::wave(abs($x), 1),
        };
    }

    /** x**y for an integer or half-integer y. */
    public static function pow(float $x, float $y): float
    {
        $isWhole = floor($y) === $y;
        $size = match (true) {
            $y === 0.0, $x === 1.0 => 1.0,
            is_nan($x) => NAN,
            $x === 0.0, is_infinite($x) => ($x === 0.0) === ($y > 0.0) ? 0.0 : INF,
            $x < 0.0 && !$isWhole => NAN,
            $y === 1.0 => abs($x),
            $y === 2.0 => $x * $x,
            $y === -1.0 => 1.0 / abs($x),
            $y === 0.5 => sqrt($x),
            default => self::power(abs($x), $y, $isWhole),
        };
        $isOdd = $isWhole && fmod($y, 2.0) !== 0.0;
        return $isOdd && self::pattern($x) < 0 ? -$size : $size;
    }

    /** The bits of a double as a signed integer. */
    public static function pattern(float $x): int
    {
        return unpack('J', pack('E', $x))[1];
    }

    /** x**y for a finite x > 0: integers, their quotient or root, and a sticky bit for what is left over. */
    private static function power(float $x, float $y, bool $isWhole): float
    {
        [$m, $q] = self::split($x);
        $t = (int) ($isWhole ? $y : 2.0 * $y);
        [$n, $e] = [gmp_pow($m, abs($t)), $q * $t];
        $shift = $t > 0 ? max(0, 132 - self::length($n)) : 132 + self::length($n);
        if (!$isWhole) {
            $shift += ($e - $shift) & 1;
        }
        [$value, $rest] = $t > 0 ? [$n << $shift, 0] : gmp_div_qr(gmp_init(1) << $shift, $n);
        $e -= $shift;
        if (!$isWhole) {
            [$value, $left] = gmp_sqrtrem($value);
            [$rest, $e] = [$rest + $left, $e >> 1];
        }
        return self::round($value * 2 + ($rest == 0 ? 0 : 1), $e - 1);
    }

    /**
     * A finite x > 0 as an odd integer and the exponent of a power of two.
     *
     * @return array{GMP, int}
     */
    private static function split(float $x): array
    {
        $pattern = self::pattern($x);
        $fraction = $pattern & (1 << 52) - 1;
        $exponent = $pattern >> 52;
        [$m, $e] = $exponent === 0 ? [$fraction, -1074] : [$fraction | 1 << 52, $exponent - 1075];
        $zeros = gmp_scan1($m, 0);
        return [gmp_init($m >> $zeros), $e + $zeros];
    }

    private static function length(GMP $n): int
    {
        return strlen(gmp_strval($n, 2));
    }

    /** n * 2**e for n > 0, rounded once, ties to even, at the last place that such a double has. */
    private static function round(GMP $n, int $e): float
    {
        $top = self::length($n) + $e;
        if ($top > 1024 || $top < -1074) {
            return $top > 0 ? INF : 0.0;
        }
        $last = max($top - 53, -1074);
        $drop = $last - $e;
        $kept = $drop > 0 ? $n >> $drop : $n << -$drop;
        if ($drop > 0) {
            $side = gmp_cmp($n - ($kept << $drop), gmp_init(1) << $drop - 1);
            $kept += $side > 0 || $side === 0 && gmp_testbit($kept, 0) ? 1 : 0;
        }
        // The leading bit of a normal number adds 1 to the exponent, and so does a carry.
        return unpack('E', pack('J', ($last + 1074 << 52) + gmp_intval($kept)))[1];
    }

    /**
     * Rounds n * 2**e, which the function makes from a number of bits: more of them, until both bounds agree.
     *
     * @param callable(int): array{GMP, int} $value
     */
    private static function nearest(callable $value): float
    {
        for ($bits = 192;; $bits *= 2) {
            [$n, $e] = $value($bits);
            if ($n > self::SLACK) {
                $low = self::round($n - self::SLACK, $e);
                if ($low === self::round($n + self::SLACK, $e)) {
                    return $low;
                }
            }
        }
    }

    private static function fixed(float $x, int $bits): GMP
    {
        [$n, $e] = self::split(abs($x));
        $size = $n << $e + $bits;
        return $x < 0.0 ? -$size : $size;
    }

    private static function ln2(int $bits): GMP
    {
        return self::$known["ln2 $bits"] ??= self::inverseArc(1, 3, $bits + 16) * 2 >> 16;
    }

    private static function halfPi(int $bits): GMP
    {
        return self::$known["pi/2 $bits"] ??=
            self::inverseArc(-1, 5, $bits + 16) * 8 - self::inverseArc(-1, 239, $bits + 16) * 2 >> 16;
    }

    /** artanh(1/n) for the sign 1, arctan(1/n) for -1. */
    private static function inverseArc(int $sign, int $n, int $bits): GMP
    {
        [$total, $power, $factor] = [gmp_init(0), (gmp_init(1) << $bits) / $n, 1];
        for ($k = 1; $power > 0; $k += 2) {
            $total += $power / $k * $factor;
            $power /= $n * $n;
            $factor *= $sign;
        }
        return $total;
    }

    /** exp(r) for r * 2**12, in fixed point. */
    private static function growth(GMP $r, int $bits): GMP
    {
        $total = $term = gmp_init(1) << $bits;
        for ($n = 1; $term > 0; $n++) {
            $term = ($term * $r >> $bits) / $n;
            $total += $term;
        }
        for ($i = 0; $i < 12; $i++) {
            $total = $total * $total >> $bits;
        }
        return $total;
    }

    /** sin(x + quarters * pi/2) for x > 0. */
    private static function wave(float $x, int $quarters): float
    {
        $isNegative = false;
        $size = self::nearest(function (int $bits) use ($x, $quarters, &$isNegative): array {
            [$q, $r] = gmp_div_qr(self::fixed($x, $bits), self::halfPi($bits));
            $quadrant = gmp_intval($q) + $quarters;
            [$term, $n] = $quadrant & 1 ? [gmp_init(1) << $bits, 0] : [$r, 1];
            $square = $r * $r >> $bits;
            for ($total = gmp_init(0); $term > 0; $n += 2) {
                $total += $n & 2 ? -$term : $term;
                $term = ($term * $square >> $bits) / (($n + 1) * ($n + 2));
            }
            $isNegative = ($quadrant & 2) !== 0;
            return [$total, -$bits];
        });
        return $isNegative ? -$size : $size;
    }
}
