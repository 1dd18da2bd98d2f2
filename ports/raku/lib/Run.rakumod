use Exact;
use GPT;
use Refusal;
use Twister;

#| The lines that are not empty without white space at their ends.
sub documents(@lines) is export {
    my sub is-ink(Int $c) { not $c == 32 || 9 <= $c <= 13 }
    my @documents = @lines.map: -> @line {
        with @line.first(&is-ink, :k) -> $first { @line[$first .. @line.first(&is-ink, :k, :end)].Array }
    }
    @documents .= grep(*.defined);
    @documents || refuse 'the dataset has no documents'
}

class Tokenizer is export {
    has @.characters;
    has %!tokens;

    method of(@documents) {
        my @characters = @documents.map(*.Slip).unique.sort;
        refuse 'the dataset has more than 2047 distinct characters' if @characters > 2047;
        self.new(:@characters)
    }

    submethod TWEAK() { %!tokens = @!characters.antipairs }
    method bos() { @!characters.elems }
    method encode(@document) { [self.bos, |%!tokens{@document}, self.bos] }
    method decode(@tokens) { @!characters[@tokens] }
}

my %common = learning-rate => 0.01e0, epsilon => 1e-8;

our %presets is export =
    seed => %(
        :8block, sigma => 0.02e0, output-sigma => 0e0, :squared,
        adam => %(|%common, beta1 => 0.9e0, beta2 => 0.95e0, :cosine, :500steps),
    ),
    classic => %(
        :16block, sigma => 0.08e0, output-sigma => 0.08e0, :!squared,
        adam => %(|%common, beta1 => 0.85e0, beta2 => 0.99e0, :!cosine, :1000steps),
    );

#| Four decimals, rounded once from the double's exact value, ties to even.
sub decimals(Num $x --> Str) is export {
    return 'nan' if $x.isNaN;
    my $sign = is-negative($x) ?? '-' !! '';
    return $sign ~ 'inf' if abs($x) == Inf;
    my ($m, $e) = parts(abs($x));
    my $digits = rounded($m * 10000, -$e).fmt('%05d');
    $sign ~ $digits.substr(0, *-4) ~ '.' ~ $digits.substr(*-4)
}

#| A whole run from seed 42 (SPEC, section 10).
class Run is export {
    has Twister $.twister = Twister.seeded(42);
    has GPT $.gpt;
    has Adam $.adam;
    has @!documents;
    has Tokenizer $!tokenizer;

    submethod TWEAK(:%preset, :@lines, Int :$steps = %preset<adam><steps>) {
        @!documents = documents(@lines);
        $!twister.shuffle(@!documents);
        $!tokenizer = Tokenizer.of(@!documents);
        my $shape = Shape.new(
            :1layers, :4heads, :16embedding, block => %preset<block>, squared => %preset<squared>,
            vocabulary => $!tokenizer.bos + 1, attend => (^%preset<block>).map({ [0 .. $_] }),
        );
        my @parameters = $shape.matrices.map: {
            my $sigma = .name.ends-with('attn_wo' | 'mlp_fc2') ?? %preset<output-sigma> !! %preset<sigma>;
            slip (^.size).map({ $!twister.gauss($sigma) })
        }
        $!gpt = GPT.new(:$shape, :@parameters);
        $!adam = Adam.new(|%preset<adam>, :$steps, m => 0e0 xx @parameters, v => 0e0 xx @parameters);
    }

    #| Hands the code points of each line to &print, while it trains and samples.
    method print(Int $samples, &print) {
        my sub say-it(Str $text) { print $text.ords.Array }
        say-it "num docs: {+@!documents}";
        say-it "vocab size: {$!gpt.shape.vocabulary}";
        say-it "num params: {$!gpt.count}";
        my $steps = $!adam.steps;
        for ^$steps -> $step {
            my $loss = $!adam.advance($step, $!gpt, $!tokenizer.encode(@!documents[$step % @!documents]));
            say-it sprintf 'step %4d / %4d | loss %s', $step + 1, $steps, decimals($loss);
        }
        say-it '';
        say-it '--- inference (new, hallucinated names) ---';
        for 1 .. $samples {
            my @name = $!tokenizer.decode($!gpt.sample(0.5e0, $!twister));
            print [|sprintf('sample %2d: ', $_).ords, |@name];
        }
    }
}
