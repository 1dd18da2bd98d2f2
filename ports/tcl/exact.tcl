# Doubles as SPEC's section 2 has them. Tcl raises an error wherever NaN goes in or comes out, so an expression that may
# meet one stands in a catch, and what it catches is NaN. Comparisons with NaN are false and raise nothing.

# An operator of ::tcl::mathop, from the left, for any doubles.
proc ieee {operator args} {
    if {[catch {::tcl::mathop::$operator {*}$args} result]} {return NaN}
    return $result
}

proc root x {
    if {[catch {expr {sqrt($x)}} result]} {return NaN}
    return $result
}

# exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone.
namespace eval exact {
    variable constants {}

    # A finite x > 0 as an integer and the exponent of a power of two.
    proc dissect x {
        binary scan [binary format Q $x] W pattern
        set exponent [expr {$pattern >> 52}]
        set fraction [expr {$pattern & (1 << 52) - 1}]
        if {$exponent == 0} {return [list $fraction -1074]}
        return [list [expr {$fraction | 1 << 52}] [expr {$exponent - 1075}]]
    }

    # The number of bits of an integer >= 0.
    proc bitLength n {
        set digits [format %llx $n]
        scan [string index $digits 0] %x first
        expr {4 * [string length $digits] - [lindex {4 3 2 2 1 1 1 1 0 0 0 0 0 0 0 0} $first]}
    }

    # The double nearest to m * 2**e, ties to even, rounded once at the last place that it has.
    proc rounded {m e} {
        set size [expr {abs($m)}]
        set top [expr {[bitLength $size] + $e}]
        set last [expr {max($top - 53, -1074)}]
        set drop [expr {$last - $e}]
        if {$top > 1024} {
            set magnitude Inf
        } elseif {$top < -1074} {
            set magnitude 0.0
        } elseif {$drop <= 0} {
            set magnitude [expr {double($size << -$drop) * 2.0 ** $last}]
        } else {
            set tieBreaker [expr {$size >> $drop & 1}]
            set kept [expr {$size + (1 << $drop - 1) - 1 + $tieBreaker >> $drop}]
            set magnitude [expr {double($kept) * 2.0 ** $last}]
        }
        expr {$m < 0 ? -$magnitude : $magnitude}
    }

    # Rounds what the command makes for a number of bits, in units of 2**-bits, times 2**scale. It is off by less than
    # 2**24 units (2**17, by a generous count). If the ends of that interval do not round alike, it takes more bits.
    proc nearest {scale command} {
        for {set bits 128} true {incr bits $bits} {
            set n [{*}$command $bits]
            set low [rounded [expr {$n - (1 << 24)}] [expr {$scale - $bits}]]
            set high [rounded [expr {$n + (1 << 24)}] [expr {$scale - $bits}]]
            if {$low == $high} {return $low}
        }
    }

    # Below, an integer stands for a number in units of 2**-bits.

    proc fixed {x bits} {
        lassign [dissect [expr {abs($x)}]] m e
        set n [expr {$m << $e + $bits}]
        expr {$x < 0 ? -$n : $n}
    }

    # artanh(1/q) for the sign 1, arctan(1/q) for -1.
    proc inverseArc {sign q bits} {
        set total 0
        set power [expr {(1 << $bits) / $q}]
        for {set k 1} {abs($power) > 1} {incr k 2} {
            incr total [expr {$power / $k}]
            set power [expr {$sign * $power / ($q * $q)}]
        }
        return $total
    }

    # ln2 or halfPi, computed once for each number of bits, with 16 bits to spare.
    proc constant {name bits} {
        variable constants
        if {![dict exists $constants $name $bits]} {
            set more [expr {$bits + 16}]
            switch $name {
                ln2 {set n [expr {2 * [inverseArc 1 3 $more]}]}
                halfPi {set n [expr {8 * [inverseArc -1 5 $more] - 2 * [inverseArc -1 239 $more]}]}
            }
            dict set constants $name $bits [expr {$n >> 16}]
        }
        return [dict get $constants $name $bits]
    }

    # exp(x - k ln 2).
    proc growth {x k bits} {
        set halvings 12
        set r [expr {[fixed $x $bits] - $k * [constant ln2 $bits] >> $halvings}]
        set total [set term [expr {1 << $bits}]]
        for {set n 1} {abs($term) > 1} {incr n} {
            set term [expr {($term * $r >> $bits) / $n}]
            incr total $term
        }
        for {set n 0} {$n < $halvings} {incr n} {set total [expr {$total * $total >> $bits}]}
        return $total
    }

    proc exp x {
        if {$x != $x} {return NaN}
        if {$x > 710.0} {return Inf}
        if {$x < -746.0} {return 0.0}
        if {abs($x) < 2.0 ** -54} {return 1.0}
        set k [expr {round($x / 0.6931471805599453)}]
        return [nearest $k [list growth $x $k]]
    }

    # log(m * 2**e), with m near 1: artanh(z) for z = (m - 1) / (m + 1) is half of log(m).
    proc logarithm {m e bits} {
        set one [expr {1 << $bits}]
        set m [fixed $m $bits]
        set term [expr {($m - $one << $bits) / ($m + $one)}]
        set square [expr {$term * $term >> $bits}]
        set total 0
        for {set k 1} {abs($term) > 1} {incr k 2} {
            incr total [expr {$term / $k}]
            set term [expr {$term * $square >> $bits}]
        }
        expr {2 * $total + $e * [constant ln2 $bits]}
    }

    proc log x {
        if {$x != $x || $x < 0} {return NaN}
        if {$x == 0} {return -Inf}
        if {$x == Inf} {return $x}
        if {$x == 1} {return 0.0}
        lassign [dissect $x] m e
        set length [bitLength $m]
        incr e $length
        set m [expr {double($m) / 2.0 ** $length}]
        if {$m < 0.75} {
            set m [expr {2.0 * $m}]
            incr e -1
        }
        return [nearest 0 [list logarithm $m $e]]
    }

    # sin(x + quarters * pi/2), in an interval where x is about q * pi/2.
    proc wave {x q quarters bits} {
        set r [expr {[fixed $x $bits] - $q * [constant halfPi $bits]}]
        set square [expr {$r * $r >> $bits}]
        set quadrant [expr {$q + $quarters & 3}]
        set n [expr {!($quadrant & 1)}]
        set term [expr {$n ? $r : 1 << $bits}]
        set total 0
        while {abs($term) > 1} {
            incr total $term
            set term [expr {($term * $square >> $bits) / (-($n + 1) * ($n + 2))}]
            incr n 2
        }
        expr {$quadrant < 2 ? $total : -$total}
    }

    proc sin x {
        if {$x != $x} {return NaN}
        if {abs($x) < 2.0 ** -26} {return $x}
        return [nearest 0 [list wave $x [expr {round($x / 1.5707963267948966)}] 0]]
    }

    proc cos x {
        if {$x != $x} {return NaN}
        if {abs($x) < 2.0 ** -27} {return 1.0}
        return [nearest 0 [list wave $x [expr {round($x / 1.5707963267948966)}] 1]]
    }

    # m**n, of which some bits are kept: two bounds and the exponent of the power of two that goes with them. A cut takes
    # away less than one part in 2**(bits - 1), and fewer than n are made. The bounds are equal if nothing was cut.
    proc integerPower {m n bits} {
        lassign {0 0} e slack
        set power $m
        foreach bit [lrange [split [format %b $n] ""] 1 end] {
            set power [expr {$power * $power * ($bit ? $m : 1)}]
            set e [expr {2 * $e}]
            set surplus [expr {[bitLength $power] - $bits}]
            if {$surplus > 0} {
                set power [expr {$power >> $surplus}]
                incr e $surplus
                set slack [expr {2 * $n}]
            }
        }
        return [list $power [expr {$power + $slack}] $e]
    }

    # The double nearest to n * 2**e, to the inverse of that, or to the root of either. A last bit, the sticky one, says
    # whether anything is left over.
    proc roundedRoot {n e isInverse isWhole} {
        if {$isInverse} {
            set e [expr {-$e}]
            set shift [expr {132 + [bitLength $n]}]
        } else {
            set shift [expr {max(0, 132 - [bitLength $n])}]
        }
        if {!$isWhole} {incr shift [expr {$e - $shift & 1}]}
        set value [expr {$isInverse ? (1 << $shift) / $n : $n << $shift}]
        set sticky [expr {$isInverse && $value * $n != 1 << $shift}]
        if {$isWhole} {return [rounded [expr {2 * $value | $sticky}] [expr {$e - $shift - 1}]]}
        set root [expr {isqrt($value)}]
        set sticky [expr {$sticky || $root * $root != $value}]
        return [rounded [expr {2 * $root | $sticky}] [expr {($e - $shift) / 2 - 1}]]
    }

    # x**y for a finite x > 0. A power that was cut has so many bits that neither it nor its root is a double, or
    # half-way between two; so more bits will decide.
    proc power {x y isWhole} {
        lassign [dissect $x] m q
        while {!($m & 1)} {
            set m [expr {$m >> 1}]
            incr q
        }
        set n [expr {abs(int($isWhole ? $y : 2.0 * $y))}]
        for {set bits 128} true {incr bits $bits} {
            lassign [integerPower $m $n $bits] low high e
            incr e [expr {$q * $n}]
            set result [roundedRoot $low $e [expr {$y < 0}] $isWhole]
            if {$low == $high || $result == [roundedRoot $high $e [expr {$y < 0}] $isWhole]} {return $result}
        }
    }

    proc pow {x y} {
        if {$y == 0 || $x == 1} {return 1.0}
        if {$x != $x} {return NaN}
        if {$y == 1} {return $x}
        if {$y == 2} {return [expr {$x * $x}]}
        if {$y == -1} {return [expr {1.0 / $x}]}
        set isWhole [expr {$y == int($y)}]
        set isNegative [expr {$x < 0 || 1.0 / $x < 0}]
        set size [expr {abs($x)}]
        if {$size == 0 || $size == Inf} {
            set size [expr {($size == 0) == ($y > 0) ? 0.0 : Inf}]
        } elseif {$isNegative && !$isWhole} {
            return NaN
        } elseif {$y == 0.5} {
            set size [expr {sqrt($size)}]
        } else {
            set size [power $size $y $isWhole]
        }
        expr {$isNegative && $isWhole && int($y) & 1 ? -$size : $size}
    }
}
