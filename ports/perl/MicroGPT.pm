package MicroGPT;

# Random numbers, text, the model, its training and a whole run: SPEC, sections 3, 4 and 6 to 10.
# What is wrong with an input dies with a sentence that ends in a line feed.

use v5.36;
use List::Util qw(product sum);
use Exact;
use Graph;

sub refuse ($reason) { die "$reason\n" }

package Generator {
    use List::Util qw(product sum);

    use constant { WORDS => 624, MASK => 0xffffffff };

    sub new ($class, $seed) {
        my @words = (19650218);
        my $mixed = sub ($i) { $words[$i - 1] ^ $words[$i - 1] >> 30 };
        $words[$_] = 1812433253 * $mixed->($_) + $_ & MASK for 1 .. 623;
        my $i = 1;
        for my $round (1 .. 1247) {
            my ($factor, $term) = $round <= 624 ? (1664525, $seed) : (1566083941, 2**32 - $i);
            $words[$i] = ($words[$i] ^ $mixed->($i) * $factor) + $term & MASK;
            ($words[0], $i) = ($words[623], 1) if ++$i == WORDS;
        }
        $words[0] = 0x80000000;
        return bless { words => \@words, index => WORDS, kept => undef }, $class;
    }

    sub renew ($self) {
        my $words = $self->{words};
        for my $i (0 .. 623) {
            my $y = $words->[$i] & 0x80000000 | $words->[($i + 1) % 624] & 0x7fffffff;
            $words->[$i] = $words->[($i + 397) % 624] ^ $y >> 1 ^ ($y & 1 ? 0x9908b0df : 0);
        }
        $self->{index} = 0;
    }

    sub word ($self) {
        $self->renew if $self->{index} == WORDS;
        my $y = $self->{words}[$self->{index}++];
        $y ^= $y >> 11;
        $y ^= $y << 7 & 0x9d2c5680;
        $y ^= $y << 15 & 0xefc60000;
        return $y ^ $y >> 18;
    }

    sub random ($self) {
        my ($high, $low) = ($self->word >> 5, $self->word >> 6);
        return ($high * 67108864 + $low) / 9007199254740992.0;
    }

    sub gauss ($self, $sigma) {
        my $z = delete $self->{kept};
        if (!defined $z) {
            my $angle  = product($self->random, 6.283185307179586);
            my $radius = Exact::root(product(-2.0, Exact::log(1.0 - $self->random)));
            $self->{kept} = product(Exact::sin($angle), $radius);
            $z = product(Exact::cos($angle), $radius);
        }
        return sum(0.0, product($z, $sigma));
    }

    sub below ($self, $n) {
        my ($bits, $drawn) = length sprintf '%b', $n;
        do { $drawn = $self->word >> 32 - $bits } until $drawn < $n;
        return $drawn;
    }

    sub shuffle ($self, $items) {
        for my $i (reverse 1 .. $#$items) {
            my $j = $self->below($i + 1);
            @$items[$i, $j] = @$items[$j, $i];
        }
    }

    sub choice ($self, $weights) {
        my @cumulative = $weights->[0];
        push @cumulative, sum($cumulative[-1], $_) for @$weights[1 .. $#$weights];
        my $total = sum($cumulative[-1], 0.0);
        MicroGPT::refuse('the weights must have a finite sum above 0') unless $total > 0 && $total < Exact::INF;
        my ($u, $low, $high) = (product($self->random, $total), 0, $#cumulative);
        while ($low < $high) {
            my $middle = $low + $high >> 1;
            if   ($u < $cumulative[$middle]) { $high = $middle }
            else                             { $low  = $middle + 1 }
        }
        return $low;
    }
}

# The lines without white space at their ends; empty ones are left out.
sub documents_of (@lines) {
    my @documents = grep { length } map { s/^[\t-\r ]+//r =~ /^(.*[^\t-\r ])/s ? $1 : '' } @lines;
    refuse('the dataset has no documents: every line is empty') if !@documents;
    return @documents;
}

# The code points in order, and the documents as lists of tokens with BOS at both ends.
sub tokenized (@documents) {
    my %token;
    $token{ ord() } = 0 for map { split // } @documents;
    my @points = sort { $a <=> $b } keys %token;
    my $bos    = @points;
    refuse("the dataset has $bos distinct characters, and 2047 is the most") if $bos > 2047;
    @token{@points} = 0 .. $#points;
    return \@points, map { [$bos, @token{ map { ord } split // }, $bos] } @documents;
}

package Model {
    use List::Util qw(min product);

    # Name, rows and columns of each parameter matrix, in order.
    sub matrices ($shape) {
        my ($embedding, @layers) = $shape->{embedding};
        for my $i (0 .. $shape->{layers} - 1) {
            push @layers, map { ["layer$i.attn_$_", $embedding, $embedding] } qw(wq wk wv wo);
            push @layers, ["layer$i.mlp_fc1", 4 * $embedding, $embedding], ["layer$i.mlp_fc2", $embedding, 4 * $embedding];
        }
        return ['wte', $shape->{vocabulary}, $embedding], ['wpe', $shape->{block}, $embedding],
          ['lm_head', $shape->{vocabulary}, $embedding], @layers;
    }

    # $parameters has the values of all matrices, in order. They are the first nodes of the graph.
    sub new ($class, $shape, $parameters) {
        my ($graph, %matrix) = Graph->new;
        $graph->leaf($_) for @$parameters;
        my $first = 0;
        for (matrices($shape)) {
            my ($name, $rows, $columns) = @$_;
            $matrix{$name} = [map { [$first + $_ * $columns .. $first + ($_ + 1) * $columns - 1] } 0 .. $rows - 1];
            $first += $rows * $columns;
        }
        return bless { shape => $shape, graph => $graph, matrix => \%matrix, size => $first }, $class;
    }

    sub parameters ($self) { return [@{ $self->{graph}{value} }[0 .. $self->{size} - 1]] }
    sub gradients  ($self) { return [@{ $self->{graph}{gradient} }[0 .. $self->{size} - 1]] }

    sub values_of ($self, $nodes) { return [@{ $self->{graph}{value} }[@$nodes]] }

    sub linear ($self, $x, $name) {
        my $graph = $self->{graph};
        return [map { $graph->dot($_, $x) } @{ $self->{matrix}{$name} }];
    }

    sub added ($self, $xs, $ys) { return [map { $self->{graph}->add($xs->[$_], $ys->[$_]) } 0 .. $#$xs] }

    sub rmsnorm ($self, $x) {
        my $graph = $self->{graph};
        my $mean  = $graph->mul_number($graph->dot($x, $x), 1.0 / @$x);
        my $scale = $graph->pow($graph->add_number($mean, 0.00001), -0.5);
        return [map { $graph->mul($_, $scale) } @$x];
    }

    sub softmax ($self, $x) {
        my $graph = $self->{graph};
        my ($top, @others) = @{ $self->values_of($x) };
        $_ > $top and $top = $_ for @others;
        my $shift  = product(-1.0, $top);
        my @powers = map { $graph->exp($graph->add_number($_, $shift)) } @$x;
        my $total  = $graph->add_up(\@powers);

        # A pow node for each division. They differ in nothing but their place.
        my $sum = $graph->{value}[$total];
        my ($inverse, $local) = (Exact::pow($sum, -1.0), product(-1.0, Exact::pow($sum, -2.0)));
        return [map { $graph->mul($_, $graph->node($inverse, [$total], $local)) } @powers];
    }

    # The logits of the token at position $t. Every intermediate result passes through $note, with its name.
    sub logits ($self, $token, $t, $caches, $note) {
        my $matrix = $self->{matrix};
        my $x      = $note->('embedded', $self->added($matrix->{wte}[$token], $matrix->{wpe}[$t]));
        $x = $note->('normed', $self->rmsnorm($x));
        $x = $self->layer($_, $x, $t, $caches->[$_], $note) for 0 .. $#$caches;
        return $note->('logits', $self->linear($x, 'lm_head'));
    }

    sub layer ($self, $i, $x, $t, $cache, $note) {
        my $here   = sub ($name, $nodes) { $note->("layer$i.$name", $nodes) };
        my $linear = sub ($nodes, $name) { $self->linear($nodes, "layer$i.$name") };
        my $normed = $here->('attn_norm', $self->rmsnorm($x));
        my $q      = $here->('q', $linear->($normed, 'attn_wq'));
        push @{ $cache->{keys} },   $here->('k', $linear->($normed, 'attn_wk'));
        push @{ $cache->{values} }, $here->('v', $linear->($normed, 'attn_wv'));
        my $mixed = $self->attention($q, $cache, $self->{shape}{attend}[$t], $here);
        $x = $here->('attn_residual', $self->added($here->('attn_out', $linear->($mixed, 'attn_wo')), $x));
        my $hidden    = $here->('hidden', $linear->($here->('mlp_norm', $self->rmsnorm($x)), 'mlp_fc1'));
        my $graph     = $self->{graph};
        my @activated = map { $graph->relu($_) } @$hidden;
        @activated = map { $graph->pow($_, 2.0) } @activated if $self->{shape}{squared};
        my $out = $here->('mlp_out', $linear->($here->('activated', \@activated), 'mlp_fc2'));
        return $here->('mlp_residual', $self->added($out, $x));
    }

    sub attention ($self, $q, $cache, $positions, $note) {
        my ($graph, $shape) = @$self{qw(graph shape)};
        my $size  = $shape->{embedding} / $shape->{heads};
        my $scale = 1.0 / sqrt $size;
        my @joined;
        for my $head (0 .. $shape->{heads} - 1) {
            my @part   = ($head * $size .. ($head + 1) * $size - 1);
            my @q_part = @$q[@part];
            my @scores = map { $graph->mul_number($graph->dot(\@q_part, [@{ $cache->{keys}[$_] }[@part]]), $scale) } @$positions;
            my $weights = $note->("head$head.weights", $self->softmax($note->("head$head.scores", \@scores)));
            my @values  = @{ $cache->{values} }[@$positions];
            my @mixed   = map { my $j = $_; $graph->dot($weights, [map { $_->[$j] } @values]) } @part;
            push @joined, @{ $note->("head$head.mixed", \@mixed) };
        }
        return \@joined;
    }

    sub caches ($self) { return [map { { keys => [], values => [] } } 1 .. $self->{shape}{layers}] }

    # The node of a document's loss. $watch, if given, is told each intermediate result.
    sub loss ($self, $document, $watch = undef) {
        my $graph = $self->{graph};
        $graph->cut($self->{size});
        my ($n, $caches, @losses) = (min($self->{shape}{block}, $#$document), $self->caches);
        for my $t (0 .. $n - 1) {
            my $note = sub ($name, $nodes) { $watch->("pos$t.$name", $nodes) if $watch; $nodes };
            my $probabilities = $note->('probabilities', $self->softmax($self->logits($document->[$t], $t, $caches, $note)));
            my $loss = $graph->neg($graph->log($probabilities->[$document->[$t + 1]]));
            push @losses, @{ $note->('loss', [$loss]) };
        }
        return $graph->mul_number($graph->add_up(\@losses), 1.0 / $n);
    }

    # Tokens up to BOS, which is left out, or the end of the block. $watch is told each, and the probabilities of all.
    sub sample ($self, $temperature, $generator, $watch = sub { }) {
        my ($graph, $bos) = ($self->{graph}, $self->{shape}{vocabulary} - 1);
        my ($inverse, $token, $caches, @tokens) = (Exact::pow($temperature, -1.0), $bos, $self->caches);
        $graph->cut($self->{size});
        for my $t (0 .. $self->{shape}{block} - 1) {
            my $logits = $self->logits($token, $t, $caches, sub ($name, $nodes) { $nodes });
            my $probabilities = $self->values_of($self->softmax([map { $graph->mul_number($_, $inverse) } @$logits]));
            $token = $generator->choice($probabilities);
            $watch->($token, $probabilities);
            last if $token == $bos;
            push @tokens, $token;
        }
        return @tokens;
    }
}

# The rate of a step, counted from 0, and Adam's two corrections.
sub adam_factors ($adam, $step) {
    my $progress = $step / $adam->{steps};
    my $angle    = product(3.141592653589793, 1.0 * $step) / $adam->{steps};
    my $rate =
      $adam->{schedule} eq 'linear'
      ? product($adam->{learning_rate}, 1.0 - $progress)
      : product($adam->{learning_rate}, 0.5, sum(1.0, Exact::cos($angle)));
    return $rate, map { sum(1.0, product(-1.0, Exact::pow($adam->{$_}, $step + 1))) } qw(beta1 beta2);
}

# Changes parameters and moments.
sub update ($adam, $step, $p, $g, $m, $v) {
    my ($rate, $correction1, $correction2) = adam_factors($adam, $step);
    my ($beta1, $beta2, $epsilon) = @$adam{qw(beta1 beta2 epsilon)};
    my ($rest1, $rest2) = map { sum(1.0, product(-1.0, $_)) } $beta1, $beta2;
    for my $i (0 .. $#$p) {
        $m->[$i] = sum(product($beta1, $m->[$i]), product($rest1, $g->[$i]));
        $v->[$i] = sum(product($beta2, $v->[$i]), product($rest2, product($g->[$i], $g->[$i])));
        my $deviation = Exact::pow(Exact::divide($v->[$i], $correction2), 0.5);
        my $change    = product($rate, Exact::divide($m->[$i], $correction1));
        $p->[$i] = sum($p->[$i], product(-1.0, Exact::divide($change, sum($deviation, $epsilon))));
    }
}

# One step on a document; the loss before the update.
sub train_step ($model, $adam, $step, $document, $m, $v) {
    my $graph = $model->{graph};
    my $root  = $model->loss($document);
    $graph->backward($root);
    my $p = $model->parameters;
    update($adam, $step, $p, $model->gradients, $m, $v);
    my $loss = $graph->{value}[$root];
    @{ $graph->{value} }[0 .. $#$p] = @$p;
    return $loss;
}

my %common = (learning_rate => 0.01, epsilon => 1e-8);
our %preset = (
    seed => {
        block => 8, sigma => 0.02, sigma_out => 0.0, squared => 1,
        adam  => { %common, beta1 => 0.9, beta2 => 0.95, schedule => 'cosine', steps => 500 },
    },
    classic => {
        block => 16, sigma => 0.08, sigma_out => 0.08, squared => 0,
        adam  => { %common, beta1 => 0.85, beta2 => 0.99, schedule => 'linear', steps => 1000 },
    },
);

# Four decimals, rounded once from the exact value.
sub decimals ($x) {
    return 'nan' if $x != $x;
    return $x > 0 ? 'inf' : '-inf' if abs($x) == Exact::INF;
    return sprintf '%.4f', $x;
}

# A whole run from seed 42. $print is given each line of text. Returns the model, the moments and the generator.
sub run ($preset, $samples, $adam, $lines, $print) {
    my $generator = Generator->new(42);
    my @documents = documents_of(@$lines);
    $generator->shuffle(\@documents);
    my ($points, @tokens) = tokenized(@documents);
    my $shape = {
        layers => 1, heads => 4, embedding => 16, vocabulary => @$points + 1,
        %$preset{qw(block squared)}, attend => [map { [0 .. $_] } 0 .. $preset->{block} - 1],
    };
    my @parameters = map {
        my ($name, $rows, $columns) = @$_;
        my $sigma = $preset->{ $name =~ /attn_wo|mlp_fc2/ ? 'sigma_out' : 'sigma' };
        map { $generator->gauss($sigma) } 1 .. $rows * $columns;
    } Model::matrices($shape);
    my $model = Model->new($shape, \@parameters);
    my ($m, $v) = map { [(0.0) x @parameters] } 1, 2;
    $print->('num docs: ' . @documents);
    $print->("vocab size: $shape->{vocabulary}");
    $print->('num params: ' . @parameters);
    for my $step (0 .. $adam->{steps} - 1) {
        my $loss = train_step($model, $adam, $step, $tokens[$step % @tokens], $m, $v);
        $print->(sprintf 'step %4d / %4d | loss %s', $step + 1, $adam->{steps}, decimals($loss));
    }
    $print->('');
    $print->('--- inference (new, hallucinated names) ---');
    for my $number (1 .. $samples) {
        $print->(sprintf('sample %2d: ', $number) . join '', map { chr $points->[$_] } $model->sample(0.5, $generator));
    }
    return $model, $m, $v, $generator;
}

1;
