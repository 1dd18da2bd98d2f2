# Requests and replies: lines of words (SPEC, section 11).

namespace eval read {
    proc integer {low high word} {
        if {![regexp {^(?:0|[1-9][0-9]{0,9})$} $word]} {refuse "expected an integer"}
        if {$word < $low || $word > $high} {refuse "an integer is not in the range from $low to $high"}
        return $word
    }

    proc integers {low high words} {lmap word $words {integer $low $high $word}}

    proc increasing {low high words} {
        set integers [integers $low $high $words]
        if {[lsort -integer -unique $integers] ne $integers} {refuse "integers must increase"}
        return $integers
    }

    proc doubles words {
        foreach word $words {
            if {![regexp {^[0-9a-f]{16}$} $word]} {refuse "a double has 16 lower-case hex digits"}
        }
        binary scan [binary format H* [join $words ""]] Q* xs
        lmap x $xs {if {$x == $x} {set x} else {set x NaN}}
    }

    proc double word {lindex [doubles [list $word]] 0}

    proc exponent {limit word} {
        set c [double $word]
        if {!($c >= -$limit && $c <= $limit && 2.0 * $c == int(2.0 * $c))} {
            refuse "an exponent is an integer or half-integer up to $limit"
        }
        return $c
    }

    proc points words {
        if {[llength $words] > 10000} {refuse "a line has more than 10000 code points"}
        lmap point [integers 0 0x10ffff $words] {
            if {$point >= 0xd800 && $point <= 0xdfff} {refuse "a surrogate is not a code point"}
            set point
        }
    }

    proc document {vocabulary words} {
        if {[llength $words] < 2} {refuse "a document has two or more tokens"}
        return [integers 0 [expr {$vocabulary - 1}] $words]
    }

    proc oneOf {words word} {
        if {$word ni $words} {refuse "expected one of: $words"}
        return $word
    }
}

oo::class create Request {
    variable lines position

    constructor someLines {
        set lines $someLines
        set position 0
    }

    method isAtEnd {} {expr {$position == [llength $lines]}}

    method finish {} {
        if {![my isAtEnd]} {refuse "expected the end"}
    }

    # Key and values of the next line. (Of an empty line they are an empty key and no values.)
    method next {} {
        if {[my isAtEnd]} {refuse "the request ends too early"}
        set line [lindex $lines $position]
        if {[string length $line] > 65536} {refuse "a line is too long"}
        incr position
        return [split $line " "]
    }

    method take key {
        set values [lassign [my next] found]
        if {$found ne $key} {refuse "expected a line $key"}
        return $values
    }

    # What a command prefix makes of the one value of the next line.
    method one {key args} {
        set values [my take $key]
        if {[llength $values] != 1} {refuse "$key takes 1 value"}
        return [{*}$args [lindex $values 0]]
    }

    method integer {key low high} {my one $key read::integer $low $high}

    method isNext key {
        expr {![my isAtEnd] && [regexp -- "^$key\(?: |$)" [lindex $lines $position]]}
    }

    # What a command prefix makes of the values of each line with this key; there must be one.
    method each {key args} {
        set results {}
        while {![llength $results] || [my isNext $key]} {lappend results [{*}$args [my take $key]]}
        return $results
    }

    # Runs a script for key and values of each line that is left; there must be one.
    method eachLine {names script} {
        upvar 1 [lindex $names 0] key [lindex $names 1] values
        set isFirst true
        while {$isFirst || ![my isAtEnd]} {
            set isFirst false
            set values [lassign [my next] key]
            uplevel 1 $script
        }
    }

    # Only exact functions are offered.
    method math {} {
        if {[my one math read::oneOf {exact native}] eq "native"} {refuse unsupported}
    }

    method shape {} {
        my math
        dict set shape layers [my integer layers 1 16]
        dict set shape heads [set heads [my integer heads 1 64]]
        dict set shape embedding [set embedding [my integer embedding 1 512]]
        if {$embedding % $heads != 0} {refuse "embedding must be a multiple of heads"}
        dict set shape block [set block [my integer block 1 1024]]
        dict set shape vocabulary [my integer vocabulary 2 2048]
        dict set shape activation [my one activation read::oneOf {relu squared_relu}]
        for {set t 0} {$t < $block} {incr t} {
            set positions [read::increasing 0 $t [my take attend]]
            if {[lindex $positions end] ne $t} {refuse "position $t must attend to itself"}
            dict lappend shape attend $positions
        }
        return $shape
    }

    method settings {} {
        foreach key {learning_rate beta1 beta2 epsilon} {dict set settings $key [my one $key read::double]}
        dict set settings schedule [my one schedule read::oneOf {linear cosine}]
        dict set settings steps [my integer steps 1 4096]
        return $settings
    }

    # The numbers of a tensor. Its shape, if none is given, goes to the variable.
    method tensor {name shapeName} {
        upvar 1 $shapeName shape
        set words [my take tensor]
        if {[llength $words] != 3 || [lindex $words 0] ne $name} {refuse "expected the tensor $name"}
        set found [read::integers 1 2048 [lrange $words 1 2]]
        if {![info exists shape]} {set shape $found}
        if {$found ne $shape} {refuse "$name has the wrong shape"}
        lassign $shape rows columns
        for {set row 0} {$row < $rows} {incr row} {
            set xs [read::doubles [my take row]]
            if {[llength $xs] != $columns} {refuse "a row of $name is not $columns values"}
            lappend numbers {*}$xs
        }
        return $numbers
    }

    method matrices {modelShape {prefix ""}} {
        foreach {name rows columns} [Model matrices $modelShape] {
            set shape [list $rows $columns]
            lappend numbers {*}[my tensor $prefix$name shape]
        }
        return $numbers
    }
}

# The digits of doubles: all of one run together, or a word for each.
proc digits xs {
    binary scan [binary format Q* $xs] H* digits
    return $digits
}

proc hex xs {regexp -all -inline {.{16}} [digits $xs]}

oo::class create Reply {
    variable lines

    constructor {} {set lines {}}

    method lines {} {return $lines}

    method put args {lappend lines [join $args " "]}

    method putDoubles {key xs} {my put $key {*}[hex $xs]}

    method putTensor {name rows columns xs} {
        my put tensor $name $rows $columns
        for {set i 0} {$i < $rows * $columns} {incr i $columns} {
            my putDoubles row [lrange $xs $i [expr {$i + $columns - 1}]]
        }
    }

    # An activation.
    method putRow {name xs} {my putTensor $name 1 [llength $xs] $xs}

    method putMatrices {shape prefix xs} {
        set first 0
        foreach {name rows columns} [Model matrices $shape] {
            set next [expr {$first + $rows * $columns}]
            my putTensor $prefix$name $rows $columns [lrange $xs $first $next-1]
            set first $next
        }
    }

    # SPEC, section 13.
    method putChecksum {key xs} {
        lassign {1 0} a b
        binary scan [binary format Q* $xs] Iu* halves
        foreach half $halves {
            set a [expr {($a + $half) % 4294967291}]
            set b [expr {($b + $a) % 4294967291}]
        }
        my put $key [format %08x $a] [format %08x $b]
    }
}
