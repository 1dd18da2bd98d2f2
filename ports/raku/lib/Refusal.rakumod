#| What is wrong with a request or a dataset, in printable ASCII.
class X::Refused is Exception {
    has Str $.message;
}

sub refuse(Str $message) is export { X::Refused.new(:$message).throw }
