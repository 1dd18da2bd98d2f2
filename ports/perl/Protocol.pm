package Protocol;

# Requests and replies (SPEC, section 11): lines of words, and what the words mean.

use v5.36;
use List::Util qw(all);
use Exact;
use MicroGPT;

use constant LONGEST => 65536;

sub refuse ($reason) { MicroGPT::refuse($reason) }

sub integer ($word, $low, $high) {
    return $word if $word =~ /\A(?:0|[1-9][0-9]{0,9})\z/ && $low <= $word && $word <= $high;
    refuse("expected an integer from $low to $high");
}

sub double ($word) {
    refuse('a double has 16 lower-case hex digits') if $word !~ /\A[0-9a-f]{16}\z/;
    return unpack 'd>', pack 'H16', one_nan($word);
}

sub hex_of ($x) { return one_nan(unpack 'H16', pack 'd>', $x) }

sub one_nan ($digits) { return $digits =~ /\A[7f]ff(?!0{13})[89a-f0-7]/ ? '7ff8000000000000' : $digits }

sub exponent ($word, $limit) {
    my $c = double($word);
    return $c if abs($c) <= $limit && 2 * $c == int 2 * $c;
    refuse("an exponent is an integer or half-integer up to $limit");
}

sub angle ($word) {
    my $x = double($word);
    refuse('sin and cos take numbers from -8 to 8') if abs($x) > 8;
    return double($word);
}

sub choice ($word, @words) {
    return $word if grep { $_ eq $word } @words;
    refuse('expected ' . join ' or ', @words);
}

sub text (@words) {
    refuse('a line of text has more than 10000 characters') if @words > 10000;
    return join '', map { character($_) } @words;
}

sub character ($word) {
    my $point = integer($word, 0, 0x10ffff);
    refuse('a surrogate is no character') if 0xd800 <= $point && $point <= 0xdfff;
    return chr $point;
}

sub are_increasing (@numbers) { return all { $numbers[$_ - 1] < $numbers[$_] } 1 .. $#numbers }

package Request {
    sub new ($class, @lines) { return bless { lines => \@lines }, $class }

    sub refuse ($reason) { MicroGPT::refuse($reason) }

    sub is_over ($self) { return !@{ $self->{lines} } }

    # The key and the values of the next line.
    sub next ($self) {
        refuse('the request ends too early') if $self->is_over;
        my $line = shift @{ $self->{lines} };
        refuse('a line is longer than ' . Protocol::LONGEST . ' bytes') if length $line > Protocol::LONGEST;
        return length $line ? split / /, $line, -1 : '';
    }

    sub has_next ($self, $key) { return !$self->is_over && $self->{lines}[0] =~ /\A\Q$key\E(?: |\z)/ }

    # The values of the next line, which must have this key.
    sub take ($self, $key) {
        refuse("expected the line $key") if !$self->has_next($key);
        my (undef, @values) = $self->next;
        return @values;
    }

    # The only value of that line, which $read may change into something else.
    sub one ($self, $key) {
        my @values = $self->take($key);
        refuse("$key takes 1 value") if @values != 1;
        return $values[0];
    }

    sub integer ($self, $key, $low, $high) { return Protocol::integer($self->one($key), $low, $high) }

    # The values of one or more lines with this key.
    sub while_key ($self, $key) {
        my @lines = [$self->take($key)];
        push @lines, [$self->take($key)] while $self->has_next($key);
        return @lines;
    }

    # Gives the keys and values of the lines that are left, one or more, to $answer.
    sub each ($self, $answer) {
        do { $answer->($self->next) } until $self->is_over;
    }

    sub finish ($self) {
        refuse('expected the end') if !$self->is_over;
    }

    sub math ($self) {
        refuse('unsupported') if Protocol::choice($self->one('math'), qw(exact native)) eq 'native';
    }

    sub shape ($self) {
        $self->math;
        my %shape;
        for (['layers', 1, 16], ['heads', 1, 64], ['embedding', 1, 512], ['block', 1, 1024], ['vocabulary', 2, 2048]) {
            my ($key, $low, $high) = @$_;
            $shape{$key} = $self->integer($key, $low, $high);
        }
        refuse('embedding must be a multiple of heads') if $shape{embedding} % $shape{heads};
        $shape{squared} = Protocol::choice($self->one('activation'), qw(relu squared_relu)) eq 'squared_relu';
        $shape{attend}  = [map { $self->positions($_) } 0 .. $shape{block} - 1];
        return \%shape;
    }

    sub positions ($self, $t) {
        my @positions = map { Protocol::integer($_, 0, $t) } $self->take('attend');
        return \@positions if @positions && Protocol::are_increasing(@positions) && $positions[-1] == $t;
        refuse("position $t must attend to increasing positions and last to itself");
    }

    sub adam ($self) {
        my %adam = map { $_ => Protocol::double($self->one($_)) } qw(learning_rate beta1 beta2 epsilon);
        $adam{schedule} = Protocol::choice($self->one('schedule'), qw(linear cosine));
        $adam{steps}    = $self->integer('steps', 1, 4096);
        return \%adam;
    }

    # The values of a tensor of this shape; of any shape, which is then filled in, if there is none yet.
    sub tensor ($self, $name, $shape) {
        my ($found, @size) = $self->take('tensor');
        refuse("expected the tensor $name with its rows and columns") if $found ne $name || @size != 2;
        $_ = Protocol::integer($_, 1, 2048) for @size;
        @$shape = @size if !@$shape;
        refuse("the tensor $name has the wrong shape") if "@size" ne "@$shape";
        my @values;
        for (1 .. $size[0]) {
            my @row = map { Protocol::double($_) } $self->take('row');
            refuse("a row of $name has the wrong length") if @row != $size[1];
            push @values, @row;
        }
        return \@values;
    }

    # The values of all matrices of a model.
    sub matrices ($self, $shape, $prefix = '') {
        return [map { @{ $self->tensor("$prefix$_->[0]", [@$_[1, 2]]) } } Model::matrices($shape)];
    }

    sub text ($self) { return [map { Protocol::text(@$_) } $self->while_key('line')] }
}

package Reply {
    sub new ($class) { return bless { lines => [] }, $class }

    sub put ($self, @words) { push @{ $self->{lines} }, "@words" }

    sub put_doubles ($self, $key, @xs) { $self->put($key, map { Protocol::hex_of($_) } @xs) }

    sub put_text ($self, $key, $text) { $self->put($key, map { ord } split //, $text) }

    sub put_tensor ($self, $name, $rows, $columns, $xs) {
        $self->put('tensor', $name, $rows, $columns);
        $self->put_doubles('row', @$xs[$_ * $columns .. ($_ + 1) * $columns - 1]) for 0 .. $rows - 1;
    }

    sub put_matrices ($self, $shape, $prefix, $xs) {
        my $first = 0;
        for (Model::matrices($shape)) {
            my ($name, $rows, $columns) = @$_;
            $self->put_tensor("$prefix$name", $rows, $columns, [@$xs[$first .. $first + $rows * $columns - 1]]);
            $first += $rows * $columns;
        }
    }

    sub put_checksum ($self, $key, $xs) {
        my ($low, $high) = (1, 0);
        for (map { unpack 'NN', pack 'H16', Protocol::hex_of($_) } @$xs) {
            $low  = ($low + $_) % 4294967291;
            $high = ($high + $low) % 4294967291;
        }
        $self->put($key, map { sprintf '%08x', $_ } $low, $high);
    }
}

1;
