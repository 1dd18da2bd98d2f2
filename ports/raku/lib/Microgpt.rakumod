#| A function for each verb, from a request to the lines of its reply; and what reads and writes them.
unit module Microgpt;

use Exact;
use GPT;
use Protocol;
use Refusal;
use Run;
use Tape;
use Twister;

my $operations = Table.new: functions => {
    add => -> Num $x, Num $y { $x + $y },
    sub => -> Num $x, Num $y { $x - $y },
    mul => -> Num $x, Num $y { $x * $y },
    div => -> Num $x, Num $y { $x ÷ $y },
    sqrt => -> Num $x { sqrt($x) },
    muladd => -> Num $x, Num $y, Num $z { $x * $y + $z },
    sum => -> Num $x, *@xs { [+] 0e0, $x, |@xs },
    dot => -> Num $x, Num $y, *@xs {
        refuse 'dot takes pairs' unless @xs %% 2;
        [+] 0e0, $x * $y, |@xs.map(* * *)
    },
    decimals => -> Num $x {
        refuse 'decimals takes |x| up to 2^53' if 2e0 ** 53 < abs($x) < Inf;
        decimals($x).ords
    },
};

sub arith(Request $request, Reply $reply) {
    $request.rest: -> $key, @words {
        my $result = $operations.call($key, @words);
        $result ~~ Num ?? $reply.double($key, $result) !! $reply.put($key, $result);
    }
}

sub angle(Num $x) { abs($x) > 8e0 ?? refuse('an angle is from -8 to 8') !! $x }

my $functions = Table.new: functions => {
    exp => -> Num $x { exp($x) },
    log => -> Num $x { log($x) },
    sin => -> Num $x { sin(angle($x)) },
    cos => -> Num $x { cos(angle($x)) },
    pow => -> Num $x, Num $y { pow($x, exponent($y, 4096)) },
};

sub math(Request $request, Reply $reply) {
    $request.math;
    $request.rest: -> $key, @words { $reply.double($key, $functions.call($key, @words)) };
}

sub random(Request $request, Reply $reply) {
    $request.math;
    my $twister = Twister.seeded($request.integer('seed', 0, 0xffffffff));
    my sub draws($n, &draw) {
        refuse 'up to 1000 draws at a time' if $n > 1000;
        (^$n).map({ draw() }).eager
    }
    my $draws = Table.new: functions => {
        words => -> Int $n { draws $n, { $twister.word } },
        random => -> Int $n { draws $n, { hex($twister.random) } },
        gauss => -> Int $n, Num $sigma { draws $n, { hex($twister.gauss($sigma)) } },
        shuffle => -> Int $n { my @items = ^$n; $twister.shuffle(@items); @items },
        choices => -> Int $n, Num $w, *@ws {
            refuse 'up to 1000 weights' if @ws > 999;
            draws $n, { $twister.choice([$w, |@ws]) }
        },
        state => -> { $twister.index, |$twister.words },
    };
    $request.rest: -> $key, @words {
        $reply.put($key, $draws.call($key, @words));
        $reply.put('kept', $twister.kept.defined ?? hex($twister.kept) !! 'none') if $key eq 'state';
    }
}

#| The last lines of a request.
sub dataset(Request $request) {
    my @lines = $request.all: 'line', -> @words {
        refuse 'a line has more than 10000 code points' if @words > 10000;
        [@words.map(&code-point)]
    }
    $request.finish;
    @lines
}

sub tokens(Request $request, Reply $reply) {
    my @documents = documents(dataset($request));
    my $tokenizer = Tokenizer.of(@documents);
    $reply.put('documents', +@documents);
    $reply.put('vocabulary', $tokenizer.characters);
    $reply.put('bos', $tokenizer.bos);
    $reply.put('encoded', $tokenizer.encode($_)) for @documents;
}

sub graph(Request $request, Reply $reply) {
    $request.math;
    my $tape = Tape.new;
    my @nodes;
    my &node = { @nodes[integer($_, 0, @nodes.end)] };
    my $expressions = Table.new: int => &node, rest => &node, functions => {
        leaf => -> Num $x { $tape.leaf($x) },
        add => -> Int $a, Int $b { $tape.add($a, $b) },
        sub => -> Int $a, Int $b { $tape.add($a, $tape.neg($b)) },
        mul => -> Int $a, Int $b { $tape.mul($a, $b) },
        div => -> Int $a, Int $b { $tape.mul($a, $tape.pow($b, -1e0)) },
        sum => -> Int $a, *@others { reduce { $tape.add($^a, $^b) }, $tape.shift($a, 0e0), |@others },
        neg => -> Int $a { $tape.neg($a) },
        exp => -> Int $a { $tape.exp($a) },
        log => -> Int $a { $tape.log($a) },
        relu => -> Int $a { $tape.relu($a) },
        pow => -> Int $a, Num $c { $tape.pow($a, exponent($c, 1024)) },
        add_number => -> Int $a, Num $c { $tape.shift($a, $c) },
        sub_number => -> Int $a, Num $c { $tape.shift($a, -$c) },
        mul_number => -> Int $a, Num $c { $tape.scale($a, $c) },
        div_number => -> Int $a, Num $c { $tape.scale($a, 1e0 ÷ $c) },
        number_sub => -> Num $c, Int $a { $tape.shift($tape.neg($a), $c) },
        number_div => -> Num $c, Int $a { $tape.scale($tape.pow($a, -1e0), $c) },
        root => -> Int $a { $a },
    };
    my $root;
    until $root.defined {
        my ($key, @words) := $request.next;
        my $node = $expressions.call($key, @words);
        $key eq 'root' ?? ($root = $node) !! @nodes.push: $node;
    }
    $request.finish;
    $tape.backward($root);
    $reply.double('value', $_) for $tape.value[@nodes];
    $reply.double('gradient', $_) for $tape.gradient[@nodes];
}

sub shape(Request $request) {
    $request.math;
    my ($layers, $heads) = $request.integer('layers', 1, 16), $request.integer('heads', 1, 64);
    my $embedding = $request.integer('embedding', 1, 512);
    refuse 'embedding must be a multiple of heads' unless $embedding %% $heads;
    my ($block, $vocabulary) = $request.integer('block', 1, 1024), $request.integer('vocabulary', 2, 2048);
    my $squared = $request.choice('activation', { relu => False, squared_relu => True });
    my @attend = (^$block).map: -> $t {
        my @positions = increasing($request.take('attend'), 0, $t);
        refuse "position $t must attend to itself" unless @positions && @positions.tail == $t;
        @positions
    }
    Shape.new(:$layers, :$heads, :$embedding, :$block, :$vocabulary, :$squared, :@attend)
}

sub document(Shape $shape, @words) {
    refuse 'a document has two or more tokens' if @words < 2;
    [@words.map({ integer($_, 0, $shape.vocabulary - 1) })]
}

sub gpt-and-document(Request $request) {
    my $shape = shape($request);
    my $document = document($shape, $request.take('tokens'));
    my $gpt = GPT.new(:$shape, parameters => $request.tensors($shape.matrices));
    $request.finish;
    $gpt, $document
}

sub forward(Request $request, Reply $reply) {
    my ($gpt, $document) = gpt-and-document($request);
    my $loss = $gpt.loss: $document, -> $name, @nodes {
        $reply.put('tensor', $name, 1, +@nodes);
        $reply.doubles('row', $gpt.tape.value[@nodes]);
        @nodes
    }
    $reply.double('loss', $gpt.tape.value[$loss]);
}

sub backward(Request $request, Reply $reply) {
    my ($gpt, $document) = gpt-and-document($request);
    my $loss = $gpt.loss($document);
    $gpt.tape.backward($loss);
    $reply.double('loss', $gpt.tape.value[$loss]);
    $reply.tensors($gpt.shape.matrices, $gpt.tape.gradient);
}

sub settings(Request $request) {
    my ($learning-rate, $beta1, $beta2, $epsilon) = <learning_rate beta1 beta2 epsilon>.map({ $request.double($_) });
    my $cosine = $request.choice('schedule', { linear => False, cosine => True });
    my $steps = $request.integer('steps', 1, 4096);
    %(:$learning-rate, :$beta1, :$beta2, :$epsilon, :$cosine, :$steps)
}

sub adam(Request $request, Reply $reply) {
    $request.math;
    my %settings = settings($request);
    my $step = $request.integer('step', 0, %settings<steps> - 1);
    my ($shape, @p) := $request.tensor('parameters');
    my (@g, @m, @v) := <gradients m v>.map({ $request.tensor($_, $shape)[1] }).List;
    $request.finish;
    my $adam = Adam.new(|%settings, :@m, :@v);
    $adam.update($step, @p, @g);
    $reply.double('rate', $adam.rate($step));
    $reply.double(|$_) for <correction1 correction2> Z $adam.corrections($step);
    $reply.tensor(.key, $shape, .value) for m => $adam.m, v => $adam.v, parameters => @p;
}

sub train(Request $request, Reply $reply) {
    my $shape = shape($request);
    my %settings = settings($request);
    my $from = $request.integer('from', 0, %settings<steps> - 1);
    my $last = $from + $request.integer('count', 1, %settings<steps> - $from) - 1;
    my $full = increasing($request.take('full'), $from, $last).Set;
    my @documents = $request.all('tokens', -> @words { document($shape, @words) });
    my @matrices = $shape.matrices;
    my $gpt = GPT.new(:$shape, parameters => $request.tensors(@matrices));
    my sub moment($prefix) { $from ?? $request.tensors(@matrices, $prefix) !! [0e0 xx $gpt.count] }
    my @m = moment('m.');
    my @v = moment('v.');
    my $adam = Adam.new(|%settings, :@m, :@v);
    $request.finish;
    for $from .. $last -> $step {
        my $loss = $adam.advance($step, $gpt, @documents[$step % @documents]);
        my ($gradients, $parameters) = ($gpt.tape.gradient, $gpt.tape.value).map(*.head($gpt.count).List);
        my @state = :$gradients, m => $adam.m, v => $adam.v, :$parameters;
        $reply.put('step', $step);
        $reply.double('loss', $loss);
        $reply.checksum(.key, .value) for @state;
        next unless $step ∈ $full;
        $reply.tensors(@matrices, .value, "{.key}.") for @state;
    }
}

sub sample(Request $request, Reply $reply) {
    my $shape = shape($request);
    my ($temperature, $samples) = $request.double('temperature'), $request.integer('samples', 0, 1000);
    my $gpt = GPT.new(:$shape, parameters => $request.tensors($shape.matrices));
    my ($index, @words) = $request.take('state');
    refuse 'state takes an index and 624 words' unless @words == 624;
    $index = integer($index, 0, 624);
    @words .= map({ integer($_, 0, 0xffffffff) });
    my $kept = $request.one('kept', { $_ eq 'none' ?? Num !! double($_) });
    $request.finish;
    my $twister = Twister.new(:$index, :@words, :$kept);
    for ^$samples {
        $reply.put('sample', $_);
        $gpt.sample: $temperature, $twister, -> @probabilities, $token {
            $reply.doubles('probabilities', @probabilities);
            $reply.put('token', $token);
        }
    }
    $reply.put('word', $twister.word);
}

sub run(Request $request, Reply $reply) {
    $request.math;
    my $preset = $request.choice('preset', %presets);
    my ($steps, $samples) = $request.integer('steps', 1, 4096), $request.integer('samples', 0, 1000);
    my $run = Run.new(:$preset, :$steps, lines => dataset($request));
    $run.print: $samples, -> @line { $reply.put('print', @line) };
    $reply.checksum('parameters', $run.gpt.tape.value.head($run.gpt.count));
    $reply.checksum('m', $run.adam.m);
    $reply.checksum('v', $run.adam.v);
    $reply.put('word', $run.twister.word);
}

my @verbs =
    :&hello, :&arith, :&math, :&random, :&tokens, :&graph,
    :&forward, :&backward, :&adam, :&train, :&sample, :&run;

sub hello(Request $request, Reply $reply) {
    $request.finish;
    $reply.put('name', 'raku');
    $reply.put('protocol', 1);
    $reply.put('verbs', @verbs».key);
    $reply.put('math', 'exact');
}

grammar Header {
    token TOP { <verb> ' ' <id> }
    token verb { <[!..~]>+ }
    token id { <[A..Za..z0..9._-]> ** 1..64 }
}

#| The reply is known before it is written, since a request can be wrong at its last line.
sub answer(@lines, Bool $complete) {
    my $first = @lines[0] // '';
    my $header = $first.chars <= LONGEST && Header.parse($first);
    return 'error - expected a verb and an id' unless $header;
    my $reply = Reply.new(lines => "ok $header<id>");
    refuse 'the input ended before the line end' unless $complete;
    my &verb = @verbs.first(*.key eq $header<verb>).?value // refuse 'unsupported';
    verb(Request.new(lines => @lines.skip), $reply);
    return $reply.lines;
    CATCH {
        when X::Refused { return "error $header<id> {.message}" }
    }
}

#| The lines of standard input, one character a byte. A CR and an LF become one character, but only LF ends a line.
sub input-lines() {
    gather {
        my $rest = '';
        while $*IN.read(65536) -> $bytes {
            my @lines = ($rest ~ $bytes.decode('latin-1')).split("\n").map: {
                slip .split("\r\n") Z~ |("\r" xx .comb("\r\n")), ''
            }
            $rest = @lines.pop;
            .take for @lines;
        }
        take $rest if $rest ne '';
    }
}

sub serve() is export {
    my @lines;
    my sub send(Bool $complete) {
        print (|answer(@lines, $complete), 'end', '').join("\n");
        $*OUT.flush;
        @lines = ();
    }
    for input-lines() { $_ eq 'end' ?? send(True) !! @lines.push: $_ }
    send(False) if @lines;
}

#| The bytes of a line that are one code point (Unicode 16, table 3-7).
grammar UTF8 {
    token TOP { <point>* }
    token point {
        | <[\x00..\x7f]>
        | <[\xc2..\xdf]> <more>
        | [ \xe0 <[\xa0..\xbf]> | <[\xe1..\xec\xee..\xef]> <more> | \xed <[\x80..\x9f]> ] <more>
        | [ \xf0 <[\x90..\xbf]> | <[\xf1..\xf3]> <more> | \xf4 <[\x80..\x8f]> ] <more> <more>
    }
    token more { <[\x80..\xbf]> }
}

# Strings would be normalized: what people read and see are code points.

sub decoded(Str $line) {
    return [$line.ords] unless $line.ords.any > 127;
    my $parsed = UTF8.parse($line) || refuse 'the input is not UTF-8';
    [$parsed<point>.map: {
        my ($first, *@more) = .Str.ords;
        reduce * * 64 + * - 128, $first +& (0x7f +> (@more ?? @more + 1 !! 0)), |@more
    }]
}

sub encoded(Int $point) {
    return $point if $point < 0x80;
    my $more = $point < 0x800 ?? 1 !! $point < 0x10000 ?? 2 !! 3;
    slip (0xff00 +> ($more + 1)) +& 0xff +| ($point +> (6 * $more)),
        |(^$more).reverse.map({ 0x80 +| ($point +> (6 * $_)) +& 0x3f })
}

#| The command for people.
sub print-run(Str $name) is export {
    my $preset = %presets{$name} // refuse 'usage: microgpt [run [seed|classic]]';
    my $run = Run.new(:$preset, lines => input-lines().map(&decoded));
    $run.print: 20, -> @line {
        $*OUT.write: Blob.new(|@line.map(&encoded), 10);
        $*OUT.flush;
    }
    CATCH {
        when X::Refused { $*ERR.say: .message; exit 1 }
    }
}
