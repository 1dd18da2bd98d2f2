:- module(exact, [exp_of/2, log_of/2, sin_of/2, cos_of/2, pow/3, decimals/2, split/3, over/3, is_nan/1, is_inf/1]).

/** <module> exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone
*/

% IEEE 754 instead of errors.
:- initialization(( set_prolog_flag(float_overflow, infinity),
                    set_prolog_flag(float_zero_div, infinity),
                    set_prolog_flag(float_undefined, nan) )).

is_nan(X) :- X =\= X.
is_inf(X) :- abs(X) =:= inf.

%   X / Y. The language's own -0.0 / inf is 0.0.
over(X, Y, Z) :-
    (   X =:= 0, is_inf(Y)
    ->  Z is copysign(1.0, Y) * X
    ;   Z is X / Y
    ).

%!  split(+X, -M, -E)
%
%   A finite X is M * 2**E.
split(X, M, E) :-
    R is rational(X),
    M is numerator(R),
    E is -msb(denominator(R)).

%   M * 2**Places, rounded to an integer, ties to even.
shift(M, Places, N) :-
    Places >= 0, !,
    N is M << Places.
shift(M, Places, N) :-
    Kept is M >> -Places,
    Rest is 2 * (M - (Kept << -Places)),
    Unit is 1 << -Places,
    (   ( Rest > Unit ; Rest =:= Unit, Kept /\ 1 =:= 1 )
    ->  N is Kept + 1
    ;   N = Kept
    ).

bit_length(0, 0) :- !.
bit_length(N, Length) :- Length is msb(abs(N)) + 1.

%   M * 2**E, rounded once at the last place that the result has.
nearest(M, E, X) :-
    M < 0, !,
    Positive is -M,
    nearest(Positive, E, Y),
    X is -Y.
nearest(M, E, X) :-
    bit_length(M, Length),
    Top is Length + E,
    (   Top > 1024
    ->  X is inf
    ;   Top < -1074
    ->  X = 0.0
    ;   Last is max(Top - 53, -1074),
        Places is E - Last,
        shift(M, Places, N),
        X is N * 2.0 ** float(Last)
    ).

% Below, a number in fixed point is an integer that stands for itself / 2**Bits.

fixed(X, Bits, N) :-
    split(X, M, E),
    Places is E + Bits,
    N is M << Places.

%   The double nearest to what Goal makes of a number of bits, times 2**Scale. That is off by less than 2**24 units
%   of its last place (2**17, by a generous count). While the ends of that interval do not round alike, it is given
%   more bits.
settle(Goal, Scale, X) :- settle(Goal, Scale, 192, X).

settle(Goal, Scale, Bits, X) :-
    call(Goal, Bits, Y),
    E is Scale - Bits,
    Low is Y - (1 << 24),
    High is Y + (1 << 24),
    nearest(Low, E, X0),
    nearest(High, E, X1),
    (   X0 =:= X1
    ->  X = X0
    ;   More is 2 * Bits,
        settle(Goal, Scale, More, X)
    ).

%   artanh of 1/N for the sign 1, arctan of 1/N for -1.
inverse_arc(N, Sign, Bits, Sum) :-
    Term is (1 << Bits) // N,
    Divisor is Sign * N * N,
    inverse_arc(Term, 1, Divisor, 0, Sum).

inverse_arc(0, _, _, Sum, Sum) :- !.
inverse_arc(Term, K, Divisor, Sum0, Sum) :-
    Sum1 is Sum0 + Term // K,
    Next is Term // Divisor,
    K2 is K + 2,
    inverse_arc(Next, K2, Divisor, Sum1, Sum).

% Constants are computed once for each precision, with 16 bits to spare.
:- table ln2/2, half_pi/2.

ln2(Bits, N) :-
    More is Bits + 16,
    inverse_arc(3, 1, More, Third),
    N is 2 * Third >> 16.

half_pi(Bits, N) :-
    More is Bits + 16,
    inverse_arc(5, -1, More, Fifth),
    inverse_arc(239, -1, More, Small),
    N is (8 * Fifth - 2 * Small) >> 16.

exp_of(X, Y) :- is_nan(X), !, Y = X.
exp_of(X, Y) :- X > 710, !, Y is inf.
exp_of(X, 0.0) :- X < -746, !.
exp_of(X, 1.0) :- abs(X) < 2.0 ** -54, !.
exp_of(X, Y) :-
    K is round(X / 0.6931471805599453),
    settle(exp_bits(X, K), K, Y).

exp_bits(X, K, Bits, Y) :-
    fixed(X, Bits, N),
    ln2(Bits, Ln2),
    R is (N - K * Ln2) >> 12,
    One is 1 << Bits,
    exp_series(One, 1, R, Bits, 0, Root),
    square_times(12, Bits, Root, Y).

exp_series(Term, _, _, _, Sum, Sum) :- abs(Term) =< 1, !.
exp_series(Term, N, R, Bits, Sum0, Sum) :-
    Sum1 is Sum0 + Term,
    Next is (Term * R >> Bits) // N,
    N1 is N + 1,
    exp_series(Next, N1, R, Bits, Sum1, Sum).

square_times(0, _, Y, Y) :- !.
square_times(N, Bits, X, Y) :-
    Square is X * X >> Bits,
    N1 is N - 1,
    square_times(N1, Bits, Square, Y).

log_of(X, Y) :- ( is_nan(X) ; X < 0 ), !, Y is nan.
log_of(X, Y) :- X =:= 0, !, Y is -inf.
log_of(X, X) :- is_inf(X), !.
log_of(X, 0.0) :- X =:= 1, !.
log_of(X, Y) :-
    split(X, M, E),
    bit_length(M, Length),
    (   4 * M < 3 << Length                % X / 2**K lies from 3/4 to 3/2
    ->  K is E + Length - 1
    ;   K is E + Length
    ),
    Places is E - K,
    settle(log_bits(M, Places, K), 0, Y).

log_bits(M, Places, K, Bits, Y) :-
    N is M << (Places + Bits),
    One is 1 << Bits,
    Z is ((N - One) << Bits) // (N + One),
    Square is Z * Z >> Bits,
    log_series(Z, 1, Square, Bits, 0, Artanh),
    ln2(Bits, Ln2),
    Y is 2 * Artanh + K * Ln2.

log_series(Term, _, _, _, Sum, Sum) :- abs(Term) =< 1, !.
log_series(Term, K, Square, Bits, Sum0, Sum) :-
    Sum1 is Sum0 + Term // K,
    Next is Term * Square >> Bits,
    K2 is K + 2,
    log_series(Next, K2, Square, Bits, Sum1, Sum).

% For |X| =< 8.
sin_of(X, X) :- ( is_nan(X) ; abs(X) < 2.0 ** -26 ), !.
sin_of(X, Y) :- wave(0, X, Y).

cos_of(X, X) :- is_nan(X), !.
cos_of(X, 1.0) :- abs(X) < 2.0 ** -27, !.
cos_of(X, Y) :- wave(1, X, Y).

% sin(X + Quarters * pi/2)
wave(Quarters, X, Y) :-
    Q is round(X / 1.5707963267948966),
    Quadrant is (Q + Quarters) /\ 3,
    settle(wave_bits(X, Q, Quadrant), 0, Y).

wave_bits(X, Q, Quadrant, Bits, Y) :-
    fixed(X, Bits, N),
    half_pi(Bits, HalfPi),
    R is N - Q * HalfPi,
    Square is R * R >> Bits,
    (   Quadrant /\ 1 =:= 0
    ->  wave_series(R, 1, Square, Bits, 0, Sum)
    ;   One is 1 << Bits,
        wave_series(One, 0, Square, Bits, 0, Sum)
    ),
    Y is Sum * (1 - (Quadrant /\ 2)).

wave_series(Term, _, _, _, Sum, Sum) :- abs(Term) =< 1, !.
wave_series(Term, N, Square, Bits, Sum0, Sum) :-
    Sum1 is Sum0 + Term,
    Next is -((Term * Square >> Bits) // ((N + 1) * (N + 2))),
    N2 is N + 2,
    wave_series(Next, N2, Square, Bits, Sum1, Sum).

%!  pow(+X, +Y, -Z)
%
%   Z is X to the power Y, a float that is an integer or half-integer.
pow(_, Y, 1.0) :- Y =:= 0, !.
pow(X, _, 1.0) :- X =:= 1, !.
pow(X, _, X) :- is_nan(X), !.
pow(X, 1.0, X) :- !.
pow(X, 2.0, Z) :- !, Z is X * X.
pow(X, -1.0, Z) :- !, Z is 1.0 / X.
pow(X, Y, Z) :-
    ( X =:= 0, Zero = true ; is_inf(X), Zero = false ), !,
    ( Y > 0, Zero = true -> Size = 0.0 ; Y < 0, Zero = false -> Size = 0.0 ; Size is inf ),
    ( odd(Y) -> Z is copysign(Size, X) ; Z = Size ).
pow(X, 0.5, Z) :- X > 0, !, Z is sqrt(X).
pow(X, Y, Z) :- X > 0, !, T is integer(2 * Y), power(X, T, Z).
pow(X, Y, Z) :- odd(Y), !, Positive is -X, pow(Positive, Y, Size), Z is -Size.
pow(X, Y, Z) :- Y =:= integer(Y), !, Positive is -X, pow(Positive, Y, Z).
pow(_, _, Z) :- Z is nan.

odd(Y) :- Y =:= integer(Y), integer(Y) /\ 1 =:= 1.

% X ** (T / 2) for X > 0. The last bit is sticky: it says whether anything was left over.
power(X, T, Z) :-
    split(X, M0, Q0),
    Zeros is lsb(M0),
    M is M0 >> Zeros,
    Q is Q0 + Zeros,
    ( T /\ 1 =:= 0 -> Exponent is T // 2 ; Exponent = T ),
    N is M ^ abs(Exponent),
    E is Q * Exponent,
    bit_length(N, Length),
    (   Exponent > 0
    ->  Least is max(0, 132 - Length)
    ;   Least is 132 + Length
    ),
    Shift is Least + ((T /\ 1) * ((E - Least) /\ 1)),
    (   Exponent > 0
    ->  Value is N << Shift,
        Rest = 0
    ;   Value is (1 << Shift) // N,
        Rest is (1 << Shift) - Value * N
    ),
    (   T /\ 1 =:= 0
    ->  Root = Value,
        Left = Rest,
        Place is E - Shift
    ;   bit_length(Value, Bits),
        Guess is 1 << ((Bits + 1) // 2),
        integer_root(Value, Guess, Root),
        Left is Rest + Value - Root * Root,
        Place is (E - Shift) // 2
    ),
    Sticky is 2 * Root + sign(Left),
    Place1 is Place - 1,
    nearest(Sticky, Place1, Z).

% By Newton's method, from above.
integer_root(N, Guess, Root) :-
    Better is (Guess + N // Guess) >> 1,
    (   Better < Guess
    ->  integer_root(N, Better, Root)
    ;   Root = Guess
    ).

%!  decimals(+X, -Text)
%
%   X with four decimals, ties to even.
decimals(X, nan) :- is_nan(X), !.
decimals(X, Text) :- is_inf(X), !, ( X > 0 -> Text = inf ; Text = '-inf' ).
decimals(X, Text) :-
    ( copysign(1.0, X) < 0 -> Sign = (-) ; Sign = '' ),
    split(X, M, E),
    Ten is 10000 * abs(M),
    shift(Ten, E, N),
    Whole is N // 10000,
    Fraction is N mod 10000,
    format(atom(Text), "~w~d.~|~`0t~d~4+", [Sign, Whole, Fraction]).
