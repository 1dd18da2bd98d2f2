use Exact;

# The autograd. A node is a number: its place in the arrays of a tape. Its rule says how its gradient is passed on.
# Sum, Dot and Row take many nodes as one: none of their children occurs twice, save as its own factor, and none lies
# below another (SPEC, section 5).

role Rule {
    method pass(@value, @gradient, Num $g) { ... }
}

class Leaf does Rule {
    method children() { () }
    method pass(@value, @gradient, Num $g) { }
}

class Unary does Rule {
    has Int $.a;
    has Num $.local;
    method children() { $!a, }
    method pass(@value, @gradient, Num $g) { @gradient[$!a] = @gradient[$!a] + $!local * $g }
}

class Add does Rule {
    has Int ($.a, $.b);
    method children() { $!a, $!b }
    method pass(@value, @gradient, Num $g) {
        @gradient[$!a] = @gradient[$!a] + $g;
        @gradient[$!b] = @gradient[$!b] + $g;
    }
}

class Mul does Rule {
    has Int ($.a, $.b);
    method children() { $!a, $!b }
    method pass(@value, @gradient, Num $g) {
        @gradient[$!a] = @gradient[$!a] + @value[$!b] * $g;
        @gradient[$!b] = @gradient[$!b] + @value[$!a] * $g;
    }
}

class Sum does Rule {
    has $.children;
    method pass(@value, @gradient, Num $g) {
        for $!children<> -> $x { @gradient[$x] = @gradient[$x] + $g }
    }
}

#| A dot product of its children, which are w0, x0, w1, x1, …
class Dot does Rule {
    has $.children;
    method pass(@value, @gradient, Num $g) {
        for $!children<> -> $w, $x {
            @gradient[$w] = @gradient[$w] + @value[$x] * $g;
            @gradient[$x] = @gradient[$x] + @value[$w] * $g;
        }
    }
}

#| The dot product of its children and of the leaves from $first on.
class Row does Rule {
    has Int $.first;
    has $.children;
    method pass(@value, @gradient, Num $g) {
        my int $w = $!first;
        for $!children<> -> $x {
            @gradient[$w] = @gradient[$w] + @value[$x] * $g;
            @gradient[$x] = @gradient[$x] + @value[$w] * $g;
            $w = $w + 1;
        }
    }
}

class Tape {
    has @.value;
    has @.gradient;
    has Rule @!rules;

    method !node(Num $value, Rule $rule --> Int) {
        @!value.push: $value;
        @!rules.push: $rule;
        @!value.end
    }

    #| Forgets all nodes but the first.
    method shrink(Int $count) {
        .splice($count) for @!value, @!rules;
    }

    method leaf(Num $x) { self!node($x, Leaf.new) }
    method unary(Int $a, Num $value, Num $local) { self!node($value, Unary.new(:$a, :$local)) }
    method add(Int $a, Int $b) { self!node(@!value[$a] + @!value[$b], Add.new(:$a, :$b)) }
    method mul(Int $a, Int $b) { self!node(@!value[$a] * @!value[$b], Mul.new(:$a, :$b)) }

    #| a + c and a * c for a plain number c.
    method shift(Int $a, Num $c) { self.unary($a, @!value[$a] + $c, 1e0) }
    method scale(Int $a, Num $c) { self.unary($a, @!value[$a] * $c, $c) }

    method neg(Int $a) { self.scale($a, -1e0) }
    method pow(Int $a, Num $c) { self.unary($a, pow(@!value[$a], $c), $c * pow(@!value[$a], $c - 1e0)) }
    method log(Int $a) { self.unary($a, log(@!value[$a]), 1e0 ÷ @!value[$a]) }
    method relu(Int $a) { @!value[$a] > 0e0 ?? self.unary($a, @!value[$a], 1e0) !! self.unary($a, 0e0, 0e0) }

    method exp(Int $a) {
        my $y = exp(@!value[$a]);
        self.unary($a, $y, $y)
    }

    method sum(@children) {
        my @value := @!value;
        my num $total = 0e0;
        for @children -> $x { $total = $total + @value[$x] }
        self!node($total, Sum.new(:@children))
    }

    method dot(@ws, @xs) {
        my @value := @!value;
        my @children;
        my num $total = 0e0;
        my int $i = 0;
        for @ws -> $w {
            my $x = @xs[$i];
            $i = $i + 1;
            @children.push($w).push($x);
            $total = $total + @value[$w] * @value[$x];
        }
        self!node($total, Dot.new(:@children))
    }

    method row(Int $first, @children) {
        my @value := @!value;
        my num $total = 0e0;
        my int $w = $first;
        for @children -> $x {
            $total = $total + @value[$w] * @value[$x];
            $w = $w + 1;
        }
        self!node($total, Row.new(:$first, :@children))
    }

    #| Depth-first post-order. The leaves of rows are left out: nothing comes after them. Rows of one matrix have the
    #| same list of children, which is walked once.
    method !order(Int $root) {
        my (@order, @seen, $walked);
        my @path = $root;
        my @below = @!rules[$root].children.iterator;
        while @path {
            my $iterator := @below.tail;
            my $child := $iterator.pull-one;
            $child := $iterator.pull-one while $child !=:= IterationEnd && @seen[$child];
            if $child =:= IterationEnd {
                @below.pop;
                @order.push: @path.pop;
                my $rule := @!rules[@order.tail];
                $walked := $rule.children if $rule ~~ Row;
            } else {
                @seen[$child] = True;
                my $children := @!rules[$child].children;
                if $children =:= $walked {
                    @order.push: $child;
                } else {
                    @path.push: $child;
                    @below.push: $children.iterator;
                }
            }
        }
        @order
    }

    #| Sets the gradient of every node.
    method backward(Int $root) {
        my @value := @!value;
        my @gradient := @!gradient;
        my @rules := @!rules;
        @gradient = 0e0 xx @value;
        @gradient[$root] = 1e0;
        for self!order($root).reverse -> $node { @rules[$node].pass(@value, @gradient, @gradient[$node]) }
    }
}
