%% All values of IEEE 754 doubles. Erlang's floats are the finite ones; the other three are atoms, and where a
%% float operation raises badarith, its result is one of them.
-module(ieee).

-export([from_bits/1, to_bits/1, add/2, subtract/2, multiply/2, divide/2, sqrt/1, negate/1, greater/2, negative/1]).
-export_type([double/0]).

-type double() :: float() | infinity | minus_infinity | nan.

-spec from_bits(0..16#ffffffffffffffff) -> double().
from_bits(Bits) ->
    case <<Bits:64>> of
        <<X/float>> -> X;
        <<0:1, _:11, 0:52>> -> infinity;
        <<1:1, _:11, 0:52>> -> minus_infinity;
        _ -> nan
    end.

-spec to_bits(double()) -> 0..16#ffffffffffffffff.
to_bits(infinity) -> 16#7ff0000000000000;
to_bits(minus_infinity) -> 16#fff0000000000000;
to_bits(nan) -> 16#7ff8000000000000;
to_bits(X) ->
    <<Bits:64>> = <<X/float>>,
    Bits.

%% Whether the sign bit is set.
-spec negative(double()) -> boolean().
negative(X) -> to_bits(X) bsr 63 =:= 1.

signed_infinity(true) -> minus_infinity;
signed_infinity(false) -> infinity.

-spec negate(double()) -> double().
negate(X) -> multiply(X, -1.0).

-spec add(double(), double()) -> double().
add(A, B) ->
    try
        A + B
    catch
        error:badarith -> add_special(A, B)
    end.

add_special(nan, _) -> nan;
add_special(_, nan) -> nan;
add_special(A, B) when is_float(A), is_float(B) -> signed_infinity(negative(A));
add_special(A, B) when is_float(B); A =:= B -> A;
add_special(A, B) when is_float(A) -> B;
add_special(_, _) -> nan.

-spec subtract(double(), double()) -> double().
subtract(A, B) -> add(A, negate(B)).

-spec multiply(double(), double()) -> double().
multiply(A, B) ->
    try
        A * B
    catch
        error:badarith when A =:= nan; B =:= nan; A == 0.0; B == 0.0 -> nan;
        error:badarith -> signed_infinity(negative(A) xor negative(B))
    end.

-spec divide(double(), double()) -> double().
divide(A, B) ->
    try
        A / B
    catch
        error:badarith -> divide_special(A, B)
    end.

divide_special(nan, _) -> nan;
divide_special(_, nan) -> nan;
divide_special(A, B) when A == 0.0, B == 0.0 -> nan;
divide_special(A, B) when is_atom(A), is_atom(B) -> nan;
divide_special(A, B) when is_atom(B) ->
    case negative(A) xor negative(B) of
        true -> -0.0;
        false -> 0.0
    end;
divide_special(A, B) -> signed_infinity(negative(A) xor negative(B)).

-spec sqrt(double()) -> double().
sqrt(infinity) -> infinity;
sqrt(X) when is_float(X), X >= 0.0 -> math:sqrt(X);
sqrt(_) -> nan.

%% A > B, which is false when either is nan.
-spec greater(double(), double()) -> boolean().
greater(A, B) when is_float(A), is_float(B) -> A > B;
greater(nan, _) -> false;
greater(_, nan) -> false;
greater(infinity, B) -> B =/= infinity;
greater(minus_infinity, _) -> false;
greater(_, B) -> B =:= minus_infinity.
