# Random numbers, text, the model, its training and a whole run: SPEC, sections 3, 4 and 6 to 10.

# Whatever is wrong with an input ends in an error of this code.
proc refuse reason {throw {MICROGPT REFUSED} $reason}

oo::class create Generator {
    variable words index kept

    constructor seed {
        set words 19650218
        for {set i 1} {$i < 624} {incr i} {
            lappend words [expr {1812433253 * [my Mixed $i] + $i & 0xffffffff}]
        }
        set last [my Stir 1 624 1664525 $seed 0]
        my Stir $last 623 1566083941 0 -1
        lset words 0 2147483648
        set index 624
        set kept none
    }

    method Mixed i {
        set before [lindex $words $i-1]
        expr {$before ^ $before >> 30}
    }

    method Stir {i count factor constant step} {
        while {[incr count -1] >= 0} {
            lset words $i [expr {([lindex $words $i] ^ [my Mixed $i] * $factor) + $constant + $step * $i & 0xffffffff}]
            if {[incr i] == 624} {
                lset words 0 [lindex $words 623]
                set i 1
            }
        }
        return $i
    }

    method Renew {} {
        for {set i 0} {$i < 624} {incr i} {
            set y [expr {[lindex $words $i] & 0x80000000 | [lindex $words [expr {($i + 1) % 624}]] & 0x7fffffff}]
            set word [expr {[lindex $words [expr {($i + 397) % 624}]] ^ $y >> 1 ^ ($y & 1) * 2567483615}]
            lset words $i $word
        }
        set index 0
    }

    method state {} {list [list $index {*}$words] $kept}

    method restore {anIndex someWords aKept} {
        lassign [list $anIndex $someWords $aKept] index words kept
    }

    method word {} {
        if {$index == 624} {my Renew}
        set y [lindex $words $index]
        incr index
        set y [expr {$y ^ $y >> 11}]
        set y [expr {$y ^ $y << 7 & 2636928640}]
        set y [expr {$y ^ $y << 15 & 4022730752}]
        expr {$y ^ $y >> 18}
    }

    method random {} {
        set a [expr {[my word] >> 5}]
        set b [expr {[my word] >> 6}]
        expr {($a * 67108864 + $b) / 9007199254740992.0}
    }

    method gauss sigma {
        set z $kept
        set kept none
        if {$z eq "none"} {
            set x [expr {[my random] * 6.283185307179586}]
            set r [expr {sqrt(-2.0 * [exact::log [expr {1.0 - [my random]}]])}]
            set z [expr {[exact::cos $x] * $r}]
            set kept [expr {[exact::sin $x] * $r}]
        }
        return [ieee + 0.0 [ieee * $z $sigma]]
    }

    method below n {
        set shift [expr {32 - [exact::bitLength $n]}]
        while {[set k [expr {[my word] >> $shift}]] >= $n} {}
        return $k
    }

    method shuffle items {
        for {set i [expr {[llength $items] - 1}]} {$i > 0} {incr i -1} {
            set j [my below [expr {$i + 1}]]
            set item [lindex $items $i]
            lset items $i [lindex $items $j]
            lset items $j $item
        }
        return $items
    }

    method choice weights {
        set total [lindex $weights 0]
        set cumulative [list $total]
        foreach weight [lrange $weights 1 end] {lappend cumulative [set total [ieee + $total $weight]]}
        if {!($total > 0 && $total < Inf)} {refuse "the weights must add up to a finite number above 0"}
        set u [expr {[my random] * ($total + 0.0)}]
        set low 0
        set high [expr {[llength $weights] - 1}]
        while {$low < $high} {
            set middle [expr {($low + $high) / 2}]
            if {$u < [lindex $cumulative $middle]} {set high $middle} else {set low [expr {$middle + 1}]}
        }
        return $low
    }
}

# A text is a list of code points, since Tcl 8.6 keeps those above 65535 as two characters.
namespace eval text {
    proc stripped points {
        set space {9 10 11 12 13 32}
        set first 0
        set last [expr {[llength $points] - 1}]
        while {$first <= $last && [lindex $points $first] in $space} {incr first}
        while {$first <= $last && [lindex $points $last] in $space} {incr last -1}
        return [lrange $points $first $last]
    }

    proc documents lines {
        set documents {}
        foreach line $lines {
            set document [stripped $line]
            if {[llength $document]} {lappend documents $document}
        }
        if {![llength $documents]} {refuse "the dataset has no documents"}
        return $documents
    }

    proc characters documents {
        foreach document $documents {
            foreach point $document {dict set isUsed $point true}
        }
        if {[dict size $isUsed] > 2047} {refuse "the dataset has more than 2047 distinct characters"}
        return [lsort -integer [dict keys $isUsed]]
    }

    # The documents as tokens.
    proc encoded {documents characters} {
        set bos [llength $characters]
        set token {}
        foreach point $characters {dict set token $point [dict size $token]}
        lmap document $documents {list $bos {*}[lmap point $document {dict get $token $point}] $bos}
    }

    proc ofAscii string {
        binary scan $string cu* points
        return $points
    }

    proc ofUtf8 bytes {
        set form {[\u0001-\u007f]|\u0000|[\u00c2-\u00df][\u0080-\u00bf]}
        append form {|\u00e0[\u00a0-\u00bf][\u0080-\u00bf]|[\u00e1-\u00ec\u00ee\u00ef][\u0080-\u00bf]{2}}
        append form {|\u00ed[\u0080-\u009f][\u0080-\u00bf]|\u00f0[\u0090-\u00bf][\u0080-\u00bf]{2}}
        append form {|[\u00f1-\u00f3][\u0080-\u00bf]{3}|\u00f4[\u0080-\u008f][\u0080-\u00bf]{2}}
        if {![regexp {[\u0080-\u00ff]} $bytes]} {return [ofAscii $bytes]}
        set characters [regexp -all -inline $form $bytes]
        if {[string length [join $characters ""]] != [string length $bytes]} {refuse "the input is not UTF-8"}
        lmap character $characters {
            set more [lassign [ofAscii $character] point]
            set point [expr {$point < 0x80 ? $point : $point & 0x3f >> [llength $more]}]
            foreach byte $more {set point [expr {$point << 6 | $byte & 0x3f}]}
            set point
        }
    }

    proc toUtf8 points {
        set bytes ""
        foreach point $points {
            if {$point < 0x80} {
                append bytes [format %c $point]
                continue
            }
            set count [expr {1 + ($point > 0x7ff) + ($point > 0xffff)}]
            append bytes [format %c [expr {0xff80 >> $count & 0xff | $point >> 6 * $count}]]
            while {[incr count -1] >= 0} {append bytes [format %c [expr {0x80 | $point >> 6 * $count & 0x3f}]]}
        }
        return $bytes
    }

    # A number with four decimals: C's printf rounds its exact value.
    proc decimals x {
        if {$x != $x} {return nan}
        return [string tolower [format %.4f $x]]
    }
}

# A shape is a dict with the keys layers, heads, embedding, block, vocabulary, activation and attend. The parameters are
# the first nodes of the graph, in their order.
oo::class create Model {
    variable graph shape matrix size keys values

    # Name, rows and columns of every matrix, in one flat list.
    self method matrices shape {
        dict with shape {}
        set list [list wte $vocabulary $embedding wpe $block $embedding lm_head $vocabulary $embedding]
        set wide [expr {4 * $embedding}]
        for {set i 0} {$i < $layers} {incr i} {
            foreach name {wq wk wv wo} {lappend list layer$i.attn_$name $embedding $embedding}
            lappend list layer$i.mlp_fc1 $wide $embedding layer$i.mlp_fc2 $embedding $wide
        }
        return $list
    }

    constructor {aShape parameters} {
        set shape $aShape
        set graph [Graph new]
        $graph reset $parameters
        set size 0
        foreach {name rows columns} [Model matrices $shape] {
            set matrix($name) {}
            for {set row 0} {$row < $rows} {incr row} {
                set nodes {}
                for {set column 0} {$column < $columns} {incr column} {
                    lappend nodes $size
                    incr size
                }
                lappend matrix($name) $nodes
            }
        }
    }

    method size {} {return $size}
    method parameters {} {$graph leafValues $size}
    method gradients {} {$graph leafGradients $size}
    method value node {$graph value $node}

    # Forgets the last document. The parameters may be given anew.
    method Begin {{parameters {}}} {
        if {![llength $parameters]} {set parameters [my parameters]}
        $graph reset $parameters
        array unset keys
        array unset values
    }

    method Linear {x name} {lmap row $matrix($name) {$graph dot $row $x}}

    method Added {xs ys} {lmap x $xs y $ys {$graph add $x $y}}

    method Normed x {
        set mean [$graph mulNumber [$graph dot $x $x] [expr {1.0 / [llength $x]}]]
        set scale [$graph pow [$graph addNumber $mean 0.00001] -0.5]
        lmap a $x {$graph mul $a $scale}
    }

    method Softmax x {
        set top [$graph value [lindex $x 0]]
        foreach value [$graph values $x] {
            if {$value > $top} {set top $value}
        }
        set exps [lmap a $x {$graph exp [$graph subNumber $a $top]}]
        set total [$graph sum $exps]
        # A pow node for each division; they have the same value and the same local gradient.
        set value [$graph value $total]
        set inverse [exact::pow $value -1.0]
        set local [ieee * -1.0 [exact::pow $value -2.0]]
        lmap e $exps {$graph mul $e [$graph node $inverse $total [list $local]]}
    }

    # Tells a watcher, a command prefix, the name of an activation and its values. Returns the nodes.
    method Told {watch name nodes} {
        if {[llength $watch]} {{*}$watch $name [$graph values $nodes]}
        return $nodes
    }

    method Attention {t i q watch} {
        set attended [lindex [dict get $shape attend] $t]
        set length [expr {[dict get $shape embedding] / [dict get $shape heads]}]
        set factor [expr {1.0 / sqrt($length)}]
        set mixed {}
        for {set head 0} {$head < [dict get $shape heads]} {incr head} {
            set name pos$t.layer$i.head$head
            set first [expr {$head * $length}]
            set last [expr {$first + $length - 1}]
            set part [lrange $q $first $last]
            set scores [lmap s $attended {
                $graph mulNumber [$graph dot $part [lrange $keys($i,$s) $first $last]] $factor
            }]
            set weights [my Told $watch $name.weights [my Softmax [my Told $watch $name.scores $scores]]]
            set own {}
            for {set j $first} {$j <= $last} {incr j} {
                lappend own [$graph dot $weights [lmap s $attended {lindex $values($i,$s) $j}]]
            }
            lappend mixed {*}[my Told $watch $name.mixed $own]
        }
        return $mixed
    }

    method Activated hidden {
        set x [lmap a $hidden {$graph relu $a}]
        if {[dict get $shape activation] eq "relu"} {return $x}
        lmap a $x {$graph pow $a 2.0}
    }

    method Layer {t i x watch} {
        set told [list my Told $watch]
        set at pos$t.layer$i
        set layer layer$i
        set normed [{*}$told $at.attn_norm [my Normed $x]]
        set q [{*}$told $at.q [my Linear $normed $layer.attn_wq]]
        set keys($i,$t) [{*}$told $at.k [my Linear $normed $layer.attn_wk]]
        set values($i,$t) [{*}$told $at.v [my Linear $normed $layer.attn_wv]]
        set out [{*}$told $at.attn_out [my Linear [my Attention $t $i $q $watch] $layer.attn_wo]]
        set x [{*}$told $at.attn_residual [my Added $out $x]]
        set normed [{*}$told $at.mlp_norm [my Normed $x]]
        set hidden [{*}$told $at.hidden [my Linear $normed $layer.mlp_fc1]]
        set activated [{*}$told $at.activated [my Activated $hidden]]
        set out [{*}$told $at.mlp_out [my Linear $activated $layer.mlp_fc2]]
        return [{*}$told $at.mlp_residual [my Added $out $x]]
    }

    # What follows the token at position t.
    method Logits {t token watch} {
        set x [my Told $watch pos$t.embedded [my Added [lindex $matrix(wte) $token] [lindex $matrix(wpe) $t]]]
        set x [my Told $watch pos$t.normed [my Normed $x]]
        for {set i 0} {$i < [dict get $shape layers]} {incr i} {set x [my Layer $t $i $x $watch]}
        return [my Told $watch pos$t.logits [my Linear $x lm_head]]
    }

    # The node of a document's loss.
    method loss {document {watch {}}} {
        my Begin
        set n [expr {min([dict get $shape block], [llength $document] - 1)}]
        for {set t 0} {$t < $n} {incr t} {
            set logits [my Logits $t [lindex $document $t] $watch]
            set probabilities [my Told $watch pos$t.probabilities [my Softmax $logits]]
            set loss [$graph neg [$graph log [lindex $probabilities [lindex $document $t+1]]]]
            lappend losses [my Told $watch pos$t.loss $loss]
        }
        $graph mulNumber [$graph sum $losses] [expr {1.0 / $n}]
    }

    method backward loss {$graph backward $loss}

    method update parameters {my Begin $parameters}

    # Tokens until BOS or the end of the block, without BOS. A watcher is told the probabilities and the token.
    method sample {temperature generator {watch {}}} {
        my Begin
        set bos [expr {[dict get $shape vocabulary] - 1}]
        set factor [exact::pow $temperature -1.0]
        set token $bos
        set tokens {}
        for {set t 0} {$t < [dict get $shape block]} {incr t} {
            set logits [lmap a [my Logits $t $token {}] {$graph mulNumber $a $factor}]
            set probabilities [$graph values [my Softmax $logits]]
            set token [$generator choice $probabilities]
            if {[llength $watch]} {{*}$watch $probabilities $token}
            if {$token == $bos} break
            lappend tokens $token
        }
        return $tokens
    }
}

# Settings are a dict with the keys learning_rate, beta1, beta2, epsilon, schedule and steps.
namespace eval adam {
    # The rate and the two corrections of a step.
    proc factors {settings step} {
        dict with settings {}
        if {$schedule eq "linear"} {
            set rate [ieee * $learning_rate [expr {1.0 - double($step) / $steps}]]
        } else {
            set angle [expr {3.141592653589793 * $step / $steps}]
            set rate [ieee * [ieee * $learning_rate 0.5] [expr {1.0 + [exact::cos $angle]}]]
        }
        list $rate {*}[lmap beta [list $beta1 $beta2] {ieee - 1.0 [exact::pow $beta [expr {$step + 1.0}]]}]
    }

    # The new parameters, m and v, from these, the gradients and what factors gives.
    proc update {settings factors ps gs ms vs} {
        dict with settings {}
        lassign $factors rate correction1 correction2
        set rest1 [ieee - 1.0 $beta1]
        set rest2 [ieee - 1.0 $beta2]
        foreach p $ps g $gs m $ms v $vs {
            if {[catch {expr {$beta1 * $m + $rest1 * $g}} m]} {set m NaN}
            if {[catch {expr {$beta2 * $v + $rest2 * ($g * $g)}} v]} {set v NaN}
            if {[catch {expr {$v / $correction2}} square]} {set square NaN}
            if {$square > 0} {set root [expr {sqrt($square)}]} else {set root [exact::pow $square 0.5]}
            if {[catch {expr {$p - $rate * ($m / $correction1) / ($root + $epsilon)}} p]} {set p NaN}
            lappend newPs $p
            lappend newMs $m
            lappend newVs $v
        }
        list $newPs $newMs $newVs
    }
}

# A training keeps a model's moments.
oo::class create Training {
    variable model settings m v gradients

    constructor {aModel someSettings {aM {}} {aV {}}} {
        lassign [list $aModel $someSettings $aM $aV] model settings m v
        if {![llength $m]} {set m [set v [lrepeat [$model size] 0.0]]}
    }

    # One step on a document; its loss.
    method advance {step document} {
        set node [$model loss $document]
        set loss [$model value $node]
        $model backward $node
        set gradients [$model gradients]
        set factors [adam::factors $settings $step]
        lassign [adam::update $settings $factors [$model parameters] $gradients $m $v] parameters m v
        $model update $parameters
        return $loss
    }

    # Its lists of numbers, by name.
    method numbers {} {list gradients $gradients m $m v $v parameters [$model parameters]}
}

namespace eval preset {
    variable seed {
        block 8 sigma 0.02 outputSigma 0.0 activation squared_relu
        settings {learning_rate 0.01 beta1 0.9 beta2 0.95 epsilon 1e-8 schedule cosine steps 500}
    }
    variable classic {
        block 16 sigma 0.08 outputSigma 0.08 activation relu
        settings {learning_rate 0.01 beta1 0.85 beta2 0.99 epsilon 1e-8 schedule linear steps 1000}
    }
}

# A whole run. Each line goes to the command prefix print. Returns the training and the generator.
proc wholeRun {preset steps samples lines print} {
    dict with preset {}
    dict set settings steps $steps
    set generator [Generator new 42]
    set documents [$generator shuffle [text::documents $lines]]
    set characters [text::characters $documents]
    set shape [dict create layers 1 heads 4 embedding 16 block $block activation $activation]
    dict set shape vocabulary [expr {[llength $characters] + 1}]
    for {set t 0} {$t < $block} {incr t} {
        lappend attended $t
        dict lappend shape attend $attended
    }
    foreach {name rows columns} [Model matrices $shape] {
        set deviation [expr {[string match {*attn_wo} $name] || [string match {*mlp_fc2} $name] ? $outputSigma : $sigma}]
        for {set i 0} {$i < $rows * $columns} {incr i} {lappend parameters [$generator gauss $deviation]}
    }
    set model [Model new $shape $parameters]
    set training [Training new $model $settings]

    set say [list apply {{print line} {{*}$print [text::ofAscii $line]}} $print]
    {*}$say "num docs: [llength $documents]"
    {*}$say "vocab size: [dict get $shape vocabulary]"
    {*}$say "num params: [$model size]"
    for {set step 0} {$step < $steps} {incr step} {
        set document [lindex $documents [expr {$step % [llength $documents]}]]
        set loss [$training advance $step [lindex [text::encoded [list $document] $characters] 0]]
        {*}$say [format {step %4d / %4d | loss %s} [expr {$step + 1}] $steps [text::decimals $loss]]
    }
    {*}$say ""
    {*}$say "--- inference (new, hallucinated names) ---"
    for {set number 1} {$number <= $samples} {incr number} {
        set sample [lmap token [$model sample 0.5 $generator] {lindex $characters $token}]
        {*}$print [concat [text::ofAscii [format {sample %2d: } $number]] $sample]
    }
    return [list $training $generator]
}
