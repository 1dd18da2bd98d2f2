# The port tcl of microgpt: answers requests, or runs a preset for people.

foreach file {exact graph microgpt protocol} {source [file join [file dirname [info script]] $file.tcl]}

set verbs {hello arith math random tokens graph forward backward adam train sample run}

# A procedure for each verb, which reads a request and writes a reply.
namespace eval verb {
    proc hello {request reply} {
        $request finish
        $reply put name tcl
        $reply put protocol 1
        $reply put verbs {*}$::verbs
        $reply put math exact
    }

    proc arith {request reply} {
        $request eachLine {key words} {
            set xs [read::doubles $words]
            lassign $xs x y z
            set count [llength $xs]
            switch -- "$key $count" {
                "add 2" {set result [ieee + $x $y]}
                "sub 2" {set result [ieee - $x $y]}
                "mul 2" {set result [ieee * $x $y]}
                "div 2" {set result [ieee / $x $y]}
                "sqrt 1" {set result [root $x]}
                "muladd 3" {set result [ieee + [ieee * $x $y] $z]}
                "decimals 1" {
                    if {$x > 2.0 ** 53 && $x < Inf || $x < -(2.0 ** 53) && $x > -Inf} {refuse "decimals takes numbers up to 2**53"}
                    $reply put decimals {*}[text::ofAscii [text::decimals $x]]
                    continue
                }
                default {
                    if {$key eq "sum" && $count} {
                        set result [ieee + 0.0 {*}$xs]
                    } elseif {$key eq "dot" && $count && $count % 2 == 0} {
                        set result [ieee + 0.0 {*}[lmap {x y} $xs {ieee * $x $y}]]
                    } else {
                        refuse "an unknown operation, or operands that it does not take"
                    }
                }
            }
            $reply putDoubles $key [list $result]
        }
    }

    proc math {request reply} {
        $request math
        $request eachLine {key words} {
            set x [read::double [lindex $words 0]]
            switch -- "$key [llength $words]" {
                "exp 1" - "log 1" {set result [exact::$key $x]}
                "sin 1" - "cos 1" {
                    if {$x < -8 || $x > 8} {refuse "$key takes |x| up to 8"}
                    set result [exact::$key $x]
                }
                "pow 2" {set result [exact::pow $x [read::exponent 4096 [lindex $words 1]]]}
                default {refuse "an unknown function, or arguments that it does not take"}
            }
            $reply putDoubles $key [list $result]
        }
    }

    proc random {request reply} {
        $request math
        set generator [Generator new [$request integer seed 0 0xffffffff]]
        $request eachLine {key words} {
            if {$key eq "state" && ![llength $words]} {
                lassign [$generator state] state kept
                $reply put state {*}$state
                $reply put kept {*}[if {$kept eq "none"} {set kept} else {hex [list $kept]}]
                continue
            }
            set rest [lassign $words n]
            set n [read::integer 0 [expr {$key eq "shuffle" ? 10000 : 1000}] $n]
            set count [llength $rest]
            set xs [read::doubles $rest]
            if {$key in {words random shuffle} && $count == 0 || $key eq "gauss" && $count == 1} {
                $reply put $key {*}[draws $generator $key $n $xs]
            } elseif {$key eq "choices" && $count >= 1 && $count <= 1000} {
                $reply put $key {*}[draws $generator $key $n $xs]
            } else {
                refuse "an unknown draw, or values that it does not take"
            }
        }
    }

    proc draws {generator key n xs} {
        set range {}
        for {set i 0} {$i < $n} {incr i} {lappend range $i}
        switch $key {
            words {lmap i $range {$generator word}}
            random {hex [lmap i $range {$generator random}]}
            gauss {hex [lmap i $range {$generator gauss [lindex $xs 0]}]}
            shuffle {$generator shuffle $range}
            choices {lmap i $range {$generator choice $xs}}
        }
    }

    proc tokens {request reply} {
        set lines [$request each line read::points]
        $request finish
        set documents [text::documents $lines]
        set characters [text::characters $documents]
        $reply put documents [llength $documents]
        $reply put vocabulary {*}$characters
        $reply put bos [llength $characters]
        foreach document [text::encoded $documents $characters] {$reply put encoded {*}$document}
    }

    proc graph {request reply} {
        $request math
        set graph [Graph new]
        set nodes {}
        while {![$request isNext root]} {
            set words [lassign [$request next] key]
            lappend nodes [expression $graph $nodes $key $words]
        }
        set root [$request one root verb::node $nodes]
        $request finish
        $graph backward $root
        foreach x [hex [$graph values $nodes]] {$reply put value $x}
        foreach x [hex [$graph gradients $nodes]] {$reply put gradient $x}
    }

    # The node of the expression with this number.
    proc node {nodes word} {lindex $nodes [read::integer 0 [expr {[llength $nodes] - 1}] $word]}

    proc expression {graph nodes key words} {
        lassign $words first second
        switch -- "$key [llength $words]" {
            "leaf 1" {return [$graph leaf [read::double $first]]}
            "neg 1" - "exp 1" - "log 1" - "relu 1" {return [$graph $key [node $nodes $first]]}
            "add 2" - "mul 2" {return [$graph $key [node $nodes $first] [node $nodes $second]]}
            "sub 2" {return [$graph add [node $nodes $first] [$graph neg [node $nodes $second]]]}
            "div 2" {return [$graph mul [node $nodes $first] [$graph pow [node $nodes $second] -1.0]]}
            "pow 2" {return [$graph pow [node $nodes $first] [read::exponent 1024 $second]]}
            "add_number 2" {return [$graph addNumber [node $nodes $first] [read::double $second]]}
            "sub_number 2" {return [$graph subNumber [node $nodes $first] [read::double $second]]}
            "mul_number 2" {return [$graph mulNumber [node $nodes $first] [read::double $second]]}
            "div_number 2" {return [$graph mulNumber [node $nodes $first] [exact::pow [read::double $second] -1.0]]}
            "number_sub 2" {return [$graph addNumber [$graph neg [node $nodes $second]] [read::double $first]]}
            "number_div 2" {return [$graph mulNumber [$graph pow [node $nodes $second] -1.0] [read::double $first]]}
        }
        if {$key ne "sum" || ![llength $words]} {refuse "an unknown expression, or operands that it does not take"}
        set total [$graph addNumber [node $nodes $first] 0.0]
        foreach word [lrange $words 1 end] {set total [$graph add $total [node $nodes $word]]}
        return $total
    }

    # A shape, a model of it, and a document.
    proc modelAndDocument request {
        set shape [$request shape]
        set document [read::document [dict get $shape vocabulary] [$request take tokens]]
        set model [Model new $shape [$request matrices $shape]]
        $request finish
        return [list $shape $model $document]
    }

    proc forward {request reply} {
        lassign [modelAndDocument $request] shape model document
        set loss [$model loss $document [list $reply putRow]]
        $reply putDoubles loss [list [$model value $loss]]
    }

    proc backward {request reply} {
        lassign [modelAndDocument $request] shape model document
        set loss [$model loss $document]
        $model backward $loss
        $reply putDoubles loss [list [$model value $loss]]
        $reply putMatrices $shape "" [$model gradients]
    }

    proc adam {request reply} {
        $request math
        set settings [$request settings]
        set step [$request integer step 0 [expr {[dict get $settings steps] - 1}]]
        foreach name {parameters gradients m v} {lappend tensors [$request tensor $name shape]}
        $request finish
        set factors [adam::factors $settings $step]
        foreach key {rate correction1 correction2} factor $factors {$reply putDoubles $key [list $factor]}
        lassign [adam::update $settings $factors {*}$tensors] parameters m v
        foreach name {m v parameters} {$reply putTensor $name {*}$shape [set $name]}
    }

    proc train {request reply} {
        set shape [$request shape]
        set settings [$request settings]
        set steps [dict get $settings steps]
        set from [$request integer from 0 [expr {$steps - 1}]]
        set last [expr {$from + [$request integer count 1 [expr {$steps - $from}]] - 1}]
        set full [read::increasing $from $last [$request take full]]
        set documents [$request each tokens read::document [dict get $shape vocabulary]]
        set model [Model new $shape [$request matrices $shape]]
        set moments {}
        if {$from > 0} {
            foreach prefix {m. v.} {lappend moments [$request matrices $shape $prefix]}
        }
        $request finish
        set training [Training new $model $settings {*}$moments]
        for {set step $from} {$step <= $last} {incr step} {
            set loss [$training advance $step [lindex $documents [expr {$step % [llength $documents]}]]]
            $reply put step $step
            $reply putDoubles loss [list $loss]
            dict for {name xs} [$training numbers] {$reply putChecksum $name $xs}
            if {$step ni $full} continue
            dict for {name xs} [$training numbers] {$reply putMatrices $shape $name. $xs}
        }
    }

    proc sample {request reply} {
        set shape [$request shape]
        set temperature [$request one temperature read::double]
        set samples [$request integer samples 0 1000]
        set model [Model new $shape [$request matrices $shape]]
        set words [lassign [$request take state] index]
        if {[llength $words] != 624} {refuse "state takes an index and 624 words"}
        set index [read::integer 0 624 $index]
        set words [read::integers 0 0xffffffff $words]
        set kept [$request one kept apply {word {
            if {$word eq "none"} {return none}
            return [read::double $word]
        }}]
        $request finish
        set generator [Generator new 0]
        $generator restore $index $words $kept
        set watch [list apply {{reply probabilities token} {
            $reply putDoubles probabilities $probabilities
            $reply put token $token
        }} $reply]
        for {set number 0} {$number < $samples} {incr number} {
            $reply put sample $number
            $model sample $temperature $generator $watch
        }
        $reply put word [$generator word]
    }

    proc run {request reply} {
        $request math
        set preset [set ::preset::[$request one preset read::oneOf {seed classic}]]
        set steps [$request integer steps 1 4096]
        set samples [$request integer samples 0 1000]
        set lines [$request each line read::points]
        $request finish
        set print [list apply {{reply points} {$reply put print {*}$points}} $reply]
        lassign [wholeRun $preset $steps $samples $lines $print] training generator
        set numbers [$training numbers]
        foreach name {parameters m v} {$reply putChecksum $name [dict get $numbers $name]}
        $reply put word [$generator word]
    }
}

# The lines of the reply to one request, which are all known before one is written.
proc answer {lines isComplete} {
    set lines [lassign $lines header]
    if {[string length $header] > 65536 || ![regexp {^([!-~]+) ([A-Za-z0-9._-]{1,64})$} $header -> verb id]} {
        return [list "error - expected a verb and an id"]
    }
    try {
        if {!$isComplete} {refuse "the input ended before the line end"}
        if {$verb ni $::verbs} {refuse unsupported}
        set reply [Reply new]
        verb::$verb [Request new $lines] $reply
        return [list "ok $id" {*}[$reply lines]]
    } trap {MICROGPT REFUSED} reason {
        return [list "error $id $reason"]
    } finally {
        foreach class {Training Model Graph Generator Request Reply} {
            foreach object [info class instances $class] {$object destroy}
        }
    }
}

proc send lines {
    puts [join [list {*}$lines end] \n]
    flush stdout
}

proc serve {} {
    set lines {}
    while {[gets stdin line] >= 0} {
        if {$line eq "end"} {
            send [answer $lines true]
            set lines {}
        } else {
            lappend lines $line
        }
    }
    if {[llength $lines]} {send [answer $lines false]}
}

proc runForPeople preset {
    set lines {}
    while {[gets stdin line] >= 0} {lappend lines [text::ofUtf8 $line]}
    set print {apply {points {
        puts [text::toUtf8 $points]
        flush stdout
    }}}
    wholeRun $preset [dict get $preset settings steps] 20 $lines $print
}

chan configure stdin -translation binary
chan configure stdout -translation binary
if {![llength $argv]} {
    serve
} elseif {$argv in {run {run seed} {run classic}}} {
    set name [lindex [concat $argv seed] 1]
    try {
        runForPeople [set preset::$name]
    } trap {MICROGPT REFUSED} reason {
        puts stderr "microgpt: $reason."
        exit 1
    }
} else {
    puts stderr "microgpt: expected nothing, or: run \[seed|classic\] < names.txt"
    exit 1
}
