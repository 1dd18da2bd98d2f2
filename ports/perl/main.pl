#!/usr/bin/perl

# The port perl of microgpt (conformance/SPEC.md). Without arguments it answers requests, with a function for each verb;
# `main.pl run [seed|classic] < names.txt` trains on the names and makes new ones.

use v5.36;
use lib __FILE__ =~ m{(.*/)} ? $1 : '.';
use List::Util qw(product sum);
use Exact;
use Graph;
use MicroGPT;
use Protocol;

my @VERBS = qw(hello arith math random tokens graph forward backward adam train sample run);
my %verb  = (
    hello => \&hello, arith => \&arith, math => \&functions, random => \&draws, tokens => \&tokens, graph => \&graph,
    forward => \&forward, backward => \&backward, adam => \&adam, train => \&train, sample => \&samples, run => \&run,
);

# Applies a function of the table, which names the kinds of its operands, to the words of a line.
sub calculate ($table, $readers, $key, @words) {
    my ($kinds, $function) = @{ $table->{$key} // [] };
    MicroGPT::refuse('an unknown operation, or operands that it does not take') if !$kinds || length $kinds != @words;
    my @kinds = split //, $kinds;
    return $function->(map { $readers->{ $kinds[$_] }->($words[$_]) } 0 .. $#words);
}

sub hello ($request, $reply) {
    $request->finish;
    $reply->put(@$_) for [qw(name perl)], [qw(protocol 1)], ['verbs', @VERBS], [qw(math exact)];
}

sub difference ($x, $y) { return sum($x, product(-1.0, $y)) }

sub arith ($request, $reply) {
    my %function = (
        add => ['xx', \&sum],
        sub => ['xx', \&difference],
        mul => ['xx', \&product],
        div => ['xx', \&Exact::divide],
        sqrt   => ['x',   \&Exact::root],
        muladd => ['xxx', sub ($x, $y, $z) { sum(product($x, $y), $z) }],
    );
    my %total = (
        sum => sub (@xs) { sum(0.0, @xs) },
        dot => sub (@xs) { sum(0.0, map { product(@xs[2 * $_, 2 * $_ + 1]) } 0 .. $#xs / 2) },
    );
    $request->each(
        sub ($key, @words) {
            my @xs = map { Protocol::double($_) } @words;
            if ($key eq 'decimals' && @xs == 1) {
                my $size = abs $xs[0];
                MicroGPT::refuse('decimals takes numbers up to 2**53') if $size > 2**53 && $size < Exact::INF;
                $reply->put_text($key, MicroGPT::decimals($xs[0]));
            }
            elsif ($total{$key} && @xs && ($key eq 'sum' || @xs % 2 == 0)) {
                $reply->put_doubles($key, $total{$key}->(@xs));
            }
            else {
                $reply->put_doubles($key, calculate(\%function, { x => \&Protocol::double }, $key, @words));
            }
        }
    );
}

sub functions ($request, $reply) {
    $request->math;
    my %reader   = (x => \&Protocol::double, a => \&Protocol::angle, c => sub ($word) { Protocol::exponent($word, 4096) });
    my %function = (
        exp => ['x',  \&Exact::exp],
        log => ['x',  \&Exact::log],
        sin => ['a',  \&Exact::sin],
        cos => ['a',  \&Exact::cos],
        pow => ['xc', \&Exact::pow],
    );
    $request->each(sub (@line) { $reply->put_doubles($line[0], calculate(\%function, \%reader, @line)) });
}

sub draws ($request, $reply) {
    $request->math;
    my $generator = Generator->new($request->integer('seed', 0, Generator::MASK));
    $request->each(
        sub ($key, @words) {
            return put_state($generator, $reply) if $key eq 'state' && !@words;
            $reply->put($key, draw($generator, $key, @words));
        }
    );
}

sub put_state ($generator, $reply) {
    $reply->put('state', $generator->{index}, @{ $generator->{words} });
    $reply->put('kept',  map { defined ? Protocol::hex_of($_) : 'none' } $generator->{kept});
}

sub draw ($generator, $key, $count = '', @rest) {
    my $times = sub ($draw) { map { $draw->() } 1 .. Protocol::integer($count, 0, 1000) };
    if ($key eq 'words' && !@rest)  { return $times->(sub { $generator->word }) }
    if ($key eq 'random' && !@rest) { return $times->(sub { Protocol::hex_of($generator->random) }) }
    if ($key eq 'gauss' && @rest == 1) {
        my $sigma = Protocol::double($rest[0]);
        return $times->(sub { Protocol::hex_of($generator->gauss($sigma)) });
    }
    if ($key eq 'shuffle' && !@rest) {
        my @items = 0 .. Protocol::integer($count, 0, 10000) - 1;
        $generator->shuffle(\@items);
        return @items;
    }
    if ($key eq 'choices' && @rest && @rest <= 1000) {
        my @weights = map { Protocol::double($_) } @rest;
        return $times->(sub { $generator->choice(\@weights) });
    }
    MicroGPT::refuse('an unknown draw, or values that it does not take');
}

sub tokens ($request, $reply) {
    my $lines = $request->text;
    $request->finish;
    my ($points, @tokens) = MicroGPT::tokenized(MicroGPT::documents_of(@$lines));
    $reply->put('documents', scalar @tokens);
    $reply->put('vocabulary', @$points);
    $reply->put('bos', scalar @$points);
    $reply->put('encoded', @$_) for @tokens;
}

sub graph ($request, $reply) {
    $request->math;
    my ($graph, @nodes) = Graph->new;
    my %reader = (
        x => \&Protocol::double,
        c => sub ($word) { Protocol::exponent($word, 1024) },
        n => sub ($word) { $nodes[Protocol::integer($word, 0, $#nodes)] },
    );
    my %expression = (
        leaf       => ['x',  sub ($x) { $graph->leaf($x) }],
        add        => ['nn', sub ($p, $q) { $graph->add($p, $q) }],
        sub        => ['nn', sub ($p, $q) { $graph->add($p, $graph->neg($q)) }],
        mul        => ['nn', sub ($p, $q) { $graph->mul($p, $q) }],
        div        => ['nn', sub ($p, $q) { $graph->mul($p, $graph->inverse($q)) }],
        neg        => ['n',  sub ($p) { $graph->neg($p) }],
        exp        => ['n',  sub ($p) { $graph->exp($p) }],
        log        => ['n',  sub ($p) { $graph->log($p) }],
        relu       => ['n',  sub ($p) { $graph->relu($p) }],
        pow        => ['nc', sub ($p, $c) { $graph->pow($p, $c) }],
        add_number => ['nx', sub ($p, $c) { $graph->add_number($p, $c) }],
        sub_number => ['nx', sub ($p, $c) { $graph->add_number($p, product(-1.0, $c)) }],
        mul_number => ['nx', sub ($p, $c) { $graph->mul_number($p, $c) }],
        div_number => ['nx', sub ($p, $c) { $graph->mul_number($p, Exact::divide(1.0, $c)) }],
        number_sub => ['xn', sub ($c, $p) { $graph->add_number($graph->neg($p), $c) }],
        number_div => ['xn', sub ($c, $p) { $graph->mul_number($graph->inverse($p), $c) }],
    );
    until ($request->has_next('root')) {
        my ($key, @words) = $request->next;
        if ($key eq 'sum' && @words) {
            my ($first, @rest) = map { $reader{n}->($_) } @words;
            my $total = $graph->add_number($first, 0.0);
            $total = $graph->add($total, $_) for @rest;
            push @nodes, $total;
        }
        else {
            push @nodes, calculate(\%expression, \%reader, $key, @words);
        }
    }
    my $root = $reader{n}->($request->one('root'));
    $request->finish;
    $graph->backward($root);
    for my $key (qw(value gradient)) {
        $reply->put_doubles($key, $graph->{$key}[$_]) for @nodes;
    }
}

sub document ($shape, @words) {
    MicroGPT::refuse('a document has two or more tokens') if @words < 2;
    return [map { Protocol::integer($_, 0, $shape->{vocabulary} - 1) } @words];
}

sub model_and_document ($request) {
    my $shape    = $request->shape;
    my $document = document($shape, $request->take('tokens'));
    my $model    = Model->new($shape, $request->matrices($shape));
    $request->finish;
    return $model, $document;
}

sub forward ($request, $reply) {
    my ($model, $document) = model_and_document($request);
    my $watch = sub ($name, $nodes) { $reply->put_tensor($name, 1, scalar @$nodes, $model->values_of($nodes)) };
    my $loss  = $model->loss($document, $watch);
    $reply->put_doubles('loss', @{ $model->values_of([$loss]) });
}

sub backward ($request, $reply) {
    my ($model, $document) = model_and_document($request);
    my $loss = $model->loss($document);
    $model->{graph}->backward($loss);
    $reply->put_doubles('loss', @{ $model->values_of([$loss]) });
    $reply->put_matrices($model->{shape}, '', $model->gradients);
}

sub adam ($request, $reply) {
    $request->math;
    my $adam = $request->adam;
    my $step = $request->integer('step', 0, $adam->{steps} - 1);
    my @shape;
    my ($p, $g, $m, $v) = map { $request->tensor($_, \@shape) } qw(parameters gradients m v);
    $request->finish;
    my @factors = MicroGPT::adam_factors($adam, $step);
    $reply->put_doubles($_, shift @factors) for qw(rate correction1 correction2);
    MicroGPT::update($adam, $step, $p, $g, $m, $v);
    $reply->put_tensor($_->[0], @shape, $_->[1]) for ['m', $m], ['v', $v], ['parameters', $p];
}

sub train ($request, $reply) {
    my $shape = $request->shape;
    my $adam  = $request->adam;
    my $from  = $request->integer('from', 0, $adam->{steps} - 1);
    my $last  = $from + $request->integer('count', 1, $adam->{steps} - $from) - 1;
    my @full  = map { Protocol::integer($_, $from, $last) } $request->take('full');
    MicroGPT::refuse('the steps of full must increase') if !Protocol::are_increasing(@full);
    my @documents = map { document($shape, @$_) } $request->while_key('tokens');
    my $model     = Model->new($shape, $request->matrices($shape));
    my ($m, $v)   = map { $from ? $request->matrices($shape, $_) : [(0.0) x $model->{size}] } qw(m. v.);
    $request->finish;
    my %is_full = map { $_ => 1 } @full;

    for my $step ($from .. $last) {
        my $loss = MicroGPT::train_step($model, $adam, $step, $documents[$step % @documents], $m, $v);
        $reply->put('step', $step);
        $reply->put_doubles('loss', $loss);
        my @kinds = ([gradients => $model->gradients], [m => $m], [v => $v], [parameters => $model->parameters]);
        $reply->put_checksum(@$_) for @kinds;
        next if !$is_full{$step};
        $reply->put_matrices($shape, "$_->[0].", $_->[1]) for @kinds;
    }
}

sub samples ($request, $reply) {
    my $shape       = $request->shape;
    my $temperature = Protocol::double($request->one('temperature'));
    my $count       = $request->integer('samples', 0, 1000);
    my $model       = Model->new($shape, $request->matrices($shape));
    my ($index, @words) = $request->take('state');
    MicroGPT::refuse('state takes an index and 624 words') if @words != 624;
    my $generator = Generator->new(0);
    $generator->{index} = Protocol::integer($index, 0, 624);
    $generator->{words} = [map { Protocol::integer($_, 0, Generator::MASK) + 0 } @words];
    my $kept = $request->one('kept');
    $generator->{kept} = Protocol::double($kept) if $kept ne 'none';
    $request->finish;
    my $watch = sub ($token, $probabilities) {
        $reply->put_doubles('probabilities', @$probabilities);
        $reply->put('token', $token);
    };

    for my $number (0 .. $count - 1) {
        $reply->put('sample', $number);
        $model->sample($temperature, $generator, $watch);
    }
    $reply->put('word', $generator->word);
}

sub run ($request, $reply) {
    $request->math;
    my $preset = $MicroGPT::preset{ Protocol::choice($request->one('preset'), qw(seed classic)) };
    my $steps  = $request->integer('steps', 1, 4096);
    my $count  = $request->integer('samples', 0, 1000);
    my $lines  = $request->text;
    $request->finish;
    my $print = sub ($line) { $reply->put_text('print', $line) };
    my ($model, $m, $v, $generator) = MicroGPT::run($preset, $count, { %{ $preset->{adam} }, steps => $steps }, $lines, $print);
    $reply->put_checksum(@$_) for [parameters => $model->parameters], [m => $m], [v => $v];
    $reply->put('word', $generator->word);
}

# The lines of the reply to one request, which are all known before one is written.
sub answer ($is_complete, $header, @lines) {
    my ($verb, $id) = $header =~ /\A([!-~]+) ([A-Za-z0-9._-]{1,64})\z/;
    return 'error - expected a verb and an id' if !defined $id || length $header > Protocol::LONGEST;
    my $reply = Reply->new;
    my $is_answered = eval {
        MicroGPT::refuse('the input ended before the line end') if !$is_complete;
        MicroGPT::refuse('unsupported')                         if !$verb{$verb};
        $verb{$verb}->(Request->new(@lines), $reply);
        1;
    };
    return "ok $id", @{ $reply->{lines} } if $is_answered;
    return "error $id " . $@ =~ s/\n\z//r;
}

sub serve () {
    my @lines;
    while (defined(my $line = <STDIN>)) {
        chomp $line;
        if ($line eq 'end') {
            @lines = '' if !@lines;
            say for answer(1, @lines), 'end';
            @lines = ();
        }
        else {
            push @lines, $line;
        }
    }
    if (@lines) { say for answer(0, @lines), 'end' }
}

sub train_on_names ($name) {
    my $text = do { local $/; <STDIN> } // '';
    utf8::decode($text) && $text !~ /[\x{d800}-\x{dfff}]|[^\x{0}-\x{10ffff}]/ or die "the input is not UTF-8\n";
    my $preset = $MicroGPT::preset{$name};
    binmode STDOUT, ':utf8';
    MicroGPT::run($preset, 20, $preset->{adam}, [split /\n/, $text, -1], sub ($line) { say $line });
}

$| = 1;
binmode STDIN;
my ($command, $name, @more) = @ARGV;
if (!defined $command) {
    serve();
}
elsif ($command eq 'run' && !@more && ($name // 'seed') =~ /\A(?:seed|classic)\z/) {
    eval { train_on_names($name // 'seed'); 1 } or do { print STDERR "microgpt: $@"; exit 1 };
}
else {
    print STDERR "microgpt: expected nothing, or: run [seed|classic] < names.txt\n";
    exit 1;
}
