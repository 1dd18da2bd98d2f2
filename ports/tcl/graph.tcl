# The autograd (SPEC, section 5). A node is a number, its place in lists of values, of children and of local gradients.
# Even a single gradient stands in a list: used as one, a double would become text, which loses a bit at some powers of 2.
oo::class create Graph {
    variable values gradients childrenOf localsOf

    constructor {} {my reset {}}

    # Forgets everything and begins with leaves 0, 1, ...
    method reset leaves {
        set values $leaves
        set gradients {}
        set childrenOf [set localsOf [lrepeat [llength $leaves] {}]]
    }

    method node {value children locals} {
        lappend values $value
        lappend childrenOf $children
        lappend localsOf $locals
        return [expr {[llength $values] - 1}]
    }

    method value node {return [lindex $values $node]}
    method values nodes {lmap node $nodes {lindex $values $node}}
    method gradients nodes {lmap node $nodes {lindex $gradients $node}}
    method leafValues count {lrange $values 0 $count-1}
    method leafGradients count {lrange $gradients 0 $count-1}

    method leaf x {my node $x {} {}}

    method add {a b} {my node [ieee + [my value $a] [my value $b]] [list $a $b] {1.0 1.0}}

    method mul {a b} {
        lassign [my values [list $a $b]] x y
        my node [ieee * $x $y] [list $a $b] [list $y $x]
    }

    method addNumber {a c} {my node [ieee + [my value $a] $c] $a 1.0}
    method subNumber {a c} {my node [ieee - [my value $a] $c] $a 1.0}
    method mulNumber {a c} {my node [ieee * [my value $a] $c] $a [list $c]}
    method neg a {my mulNumber $a -1.0}

    method pow {a c} {
        set x [my value $a]
        my node [exact::pow $x $c] $a [list [ieee * $c [exact::pow $x [expr {$c - 1.0}]]]]
    }

    method log a {
        set x [my value $a]
        my node [exact::log $x] $a [list [ieee / 1.0 $x]]
    }

    method exp a {
        set y [exact::exp [my value $a]]
        my node $y $a [list $y]
    }

    method relu a {
        set x [my value $a]
        if {$x > 0} {my node $x $a 1.0} else {my node 0.0 $a 0.0}
    }

    # Sums and dot products are one node each. None of their operands may occur twice, except as its own factor, or lie
    # below another.

    method sum nodes {my node [ieee + 0.0 {*}[my values $nodes]] $nodes [lrepeat [llength $nodes] 1.0]}

    method dot {ws xs} {
        set total 0.0
        foreach w $ws x $xs {
            set wValue [lindex $values $w]
            set xValue [lindex $values $x]
            if {[catch {expr {$total + $wValue * $xValue}} total]} {set total NaN}
            lappend children $w $x
            lappend locals $xValue $wValue
        }
        my node $total $children $locals
    }

    # The nodes below the root, depth first and children before parents. Leaves, which have nothing to pass on, count as
    # seen from the start.
    method order root {
        set isSeen [lmap children $childrenOf {expr {[llength $children] == 0}}]
        set path [list $root]
        set next {0}
        set depth 0
        while {$depth >= 0} {
            set node [lindex $path $depth]
            set children [lindex $childrenOf $node]
            set count [llength $children]
            for {set i [lindex $next $depth]} {$i < $count && [lindex $isSeen [lindex $children $i]]} {incr i} {}
            if {$i == $count} {
                lappend order $node
                incr depth -1
            } else {
                set child [lindex $children $i]
                lset isSeen $child true
                lset next $depth [expr {$i + 1}]
                incr depth
                lset path $depth $child
                lset next $depth 0
            }
        }
        return $order
    }

    method backward root {
        set gradients [lrepeat [llength $values] 0.0]
        lset gradients $root 1.0
        foreach node [lreverse [my order $root]] {
            set gradient [lindex $gradients $node]
            foreach child [lindex $childrenOf $node] local [lindex $localsOf $node] {
                if {[catch {expr {[lindex $gradients $child] + $local * $gradient}} total]} {set total NaN}
                lset gradients $child $total
            }
        }
    }
}
