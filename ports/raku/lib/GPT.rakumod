use Exact;
use Tape;
use Twister;

class Matrix {
    has Str $.name;
    has Int ($.rows, $.columns);
    method size() { $!rows * $!columns }
}

class Shape {
    has Int ($.layers, $.heads, $.embedding, $.block, $.vocabulary);
    has Bool $.squared;
    has @.attend;

    #| The matrices in their order.
    method matrices() {
        my $e = $!embedding;
        my sub matrix($name, $rows, $columns) { Matrix.new(:$name, :$rows, :$columns) }
        flat matrix('wte', $!vocabulary, $e), matrix('wpe', $!block, $e), matrix('lm_head', $!vocabulary, $e),
            (^$!layers).map: -> $i {
                slip <attn_wq attn_wk attn_wv attn_wo>.map({ matrix("layer$i.$_", $e, $e) }),
                    matrix("layer$i.mlp_fc1", 4 * $e, $e), matrix("layer$i.mlp_fc2", $e, 4 * $e)
            }
    }
}

#| The model of SPEC's section 6. Its parameters are the first nodes of the tape.
class GPT {
    has Shape $.shape;
    has @.parameters;
    has Tape $.tape .= new;
    has Int %!first;
    has (@!keys, @!values); # of each layer at each position

    submethod TWEAK() {
        my $first = 0;
        for $!shape.matrices {
            %!first{.name} = $first;
            $first += .size;
        }
        $!tape.leaf($_) for @!parameters;
    }

    method count() { @!parameters.elems }

    method !linear(Str $name, Int $rows, @x) {
        my $first = %!first{$name};
        (^$rows).map({ $!tape.row($first + $_ * @x, @x) }).eager
    }

    method !rmsnorm(@x) {
        my $mean = $!tape.scale($!tape.dot(@x, @x), 1e0 / @x);
        my $scale = $!tape.pow($!tape.shift($mean, 0.00001e0), -0.5e0);
        @x.map({ $!tape.mul($_, $scale) }).eager
    }

    method !softmax(@x) {
        my @value := $!tape.value;
        my $top = @value[@x[0]];
        for @x { $top = @value[$_] if @value[$_] > $top }
        my @exps = @x.map({ $!tape.exp($!tape.shift($_, -$top)) });
        my $total = $!tape.sum(@exps);
        # A pow node for each division; they have the same value and the same local gradient.
        my ($inverse, $local) = 1e0 ÷ @value[$total], -1e0 * pow(@value[$total], -2e0);
        @exps.map({ $!tape.mul($_, $!tape.unary($total, $inverse, $local)) }).eager
    }

    #| The mixed values of one head: q, and the keys and values attended to, are its parts of them.
    method !attention(@q, @keys, @values, &note) {
        my $divisor = 1e0 / sqrt(@q.elems.Num);
        my @scores = note 'scores', @keys.map({ $!tape.scale($!tape.dot(@q, $_), $divisor) }).eager;
        my @weights = note 'weights', self!softmax(@scores);
        note 'mixed', (^@q).map(-> $j { $!tape.dot(@weights, @values.map(*[$j])) }).eager
    }

    method !add(@a, @b) { (@a Z @b).map({ $!tape.add(|$_) }).eager }

    #| Layer i at position t.
    method !layer(Int $i, Int $t, @x, &note) {
        my $e = $!shape.embedding;
        my $place = "pos$t.layer$i.";
        my sub noted($name, @nodes) { note $place ~ $name, @nodes }
        my sub linear($name, $rows, @x) { self!linear("layer$i.$name", $rows, @x) }

        my @normed = noted 'attn_norm', self!rmsnorm(@x);
        my @q = noted 'q', linear('attn_wq', $e, @normed);
        @!keys[$i][$t] = noted 'k', linear('attn_wk', $e, @normed);
        @!values[$i][$t] = noted 'v', linear('attn_wv', $e, @normed);
        my @attended = $!shape.attend[$t].list;
        my $size = $e div $!shape.heads;
        my @mixed = (^$!shape.heads).map: -> $h {
            my @part = $h * $size ..^ ($h + 1) * $size;
            my @keys = @attended.map({ @!keys[$i][$_][@part] });
            my @values = @attended.map({ @!values[$i][$_][@part] });
            slip self!attention(@q[@part], @keys, @values, -> $name, @nodes { noted "head$h.$name", @nodes })
        }
        my @residual = noted 'attn_residual', self!add((noted 'attn_out', linear('attn_wo', $e, @mixed)), @x);

        my @hidden = noted 'hidden', linear('mlp_fc1', 4 * $e, (noted 'mlp_norm', self!rmsnorm(@residual)));
        my @activated = noted 'activated', @hidden.map({
            my $a = $!tape.relu($_);
            $!shape.squared ?? $!tape.pow($a, 2e0) !! $a
        }).eager;
        noted 'mlp_residual', self!add((noted 'mlp_out', linear('mlp_fc2', $e, @activated)), @residual)
    }

    #| The logits of the token at position t, after those before it. &note is told each activation, and returns it.
    method !logits(Int $t, Int $token, &note) {
        my $e = $!shape.embedding;
        my ($wte, $wpe) = %!first<wte> + $token * $e, %!first<wpe> + $t * $e;
        my @x = note "pos$t.embedded", (^$e).map({ $!tape.add($wte + $_, $wpe + $_) }).eager;
        @x = note "pos$t.normed", self!rmsnorm(@x);
        @x = self!layer($_, $t, @x, &note) for ^$!shape.layers;
        note "pos$t.logits", self!linear('lm_head', $!shape.vocabulary, @x)
    }

    #| The node of a document's loss.
    method loss(@document, &note = -> $, @nodes { @nodes }) {
        $!tape.shrink(self.count);
        my $positions = $!shape.block min @document.end;
        my @losses = (^$positions).map: -> $t {
            my @probabilities = note "pos$t.probabilities", self!softmax(self!logits($t, @document[$t], &note));
            slip note "pos$t.loss", [$!tape.neg($!tape.log(@probabilities[@document[$t + 1]])),]
        }
        $!tape.scale($!tape.sum(@losses), 1e0 / $positions)
    }

    #| One sample, without BOS. &drawn is told each draw.
    method sample(Num $temperature, Twister $twister, &drawn = -> @, $ { }) {
        $!tape.shrink(self.count);
        my $bos = $!shape.vocabulary - 1;
        my $token = $bos;
        my @sample;
        for ^$!shape.block -> $t {
            my @logits = self!logits($t, $token, -> $, @nodes { @nodes });
            my $inverse = 1e0 ÷ $temperature;
            my @probabilities = $!tape.value[self!softmax(@logits.map({ $!tape.scale($_, $inverse) }).eager)];
            $token = $twister.choice(@probabilities);
            drawn(@probabilities, $token);
            last if $token == $bos;
            @sample.push: $token;
        }
        @sample
    }
}

#| Adam (SPEC, section 8) with its moments.
class Adam {
    has Num ($.learning-rate, $.beta1, $.beta2, $.epsilon);
    has Bool $.cosine;
    has Int $.steps;
    has (@.m, @.v);

    method rate(Int $step --> Num) {
        my ($s, $n) = $step.Num, $!steps.Num;
        $!cosine ?? ($!learning-rate * 0.5e0) * (1e0 + cos((3.141592653589793e0 * $s) / $n))
                 !! $!learning-rate * (1e0 - $s / $n)
    }

    method corrections(Int $step) { ($!beta1, $!beta2).map: { 1e0 - pow($_, ($step + 1).Num) } }

    #| Updates the parameters p, as many as there are moments.
    method update(Int $step, @p, @g) {
        my @m := @!m;
        my @v := @!v;
        my ($beta1, $beta2, $epsilon, $rate) = $!beta1, $!beta2, $!epsilon, self.rate($step);
        my ($correction1, $correction2) = self.corrections($step);
        for ^@m -> $i {
            my $g = @g[$i];
            my $m = @m[$i] = $beta1 * @m[$i] + (1e0 - $beta1) * $g;
            my $v = @v[$i] = $beta2 * @v[$i] + (1e0 - $beta2) * ($g * $g);
            @p[$i] = @p[$i] - ($rate * ($m ÷ $correction1)) ÷ (pow($v ÷ $correction2, 0.5e0) + $epsilon);
        }
    }

    #| One step on a document; its loss.
    method advance(Int $step, GPT $gpt, @document) {
        my $root = $gpt.loss(@document);
        my $loss = $gpt.tape.value[$root];
        $gpt.tape.backward($root);
        self.update($step, $gpt.tape.value, $gpt.tape.gradient);
        $loss
    }
}
