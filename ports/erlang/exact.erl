%% exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone.
-module(exact).

-export([exp/1, log/1, sin/1, cos/1, pow/2, decimals/1]).

%% N * 2^Places, rounded to an integer, ties to even.
shift(N, Places) when Places >= 0 ->
    N bsl Places;
shift(N, Places) ->
    Kept = N bsr -Places,
    Twice = (N - (Kept bsl -Places)) * 2,
    Unit = 1 bsl -Places,
    if
        Twice > Unit; Twice =:= Unit, Kept band 1 =:= 1 -> Kept + 1;
        true -> Kept
    end.

bit_length(0) ->
    0;
bit_length(N) ->
    <<First, Rest/binary>> = binary:encode_unsigned(abs(N)),
    8 * byte_size(Rest) + length(integer_to_list(First, 2)).

%% M * 2^E, rounded once at the last place that the result has. A double's bits are in the order of its size,
%% so a fraction that rounds up to 2^53 carries into the exponent, even to infinity.
nearest_double(M, E) when M < 0 ->
    ieee:negate(nearest_double(-M, E));
nearest_double(M, E) ->
    Top = bit_length(M) + E,
    Last = max(Top - 53, -1074),
    if
        Top > 1024 -> infinity;
        Top < -1074 -> 0.0;
        true -> ieee:from_bits(((Last + 1074) bsl 52) + shift(M, E - Last))
    end.

%% A finite X without its sign, as an integer and a power of two.
split(X) ->
    case <<X/float>> of
        <<_:1, 0:11, Fraction:52>> -> {Fraction, -1074};
        <<_:1, Exponent:11, Fraction:52>> -> {Fraction + (1 bsl 52), Exponent - 1075}
    end.

%% Below, a number in fixed point is an integer that stands for itself / 2^Bits.
one(Bits) -> 1 bsl Bits.

times(Bits, A, B) -> (A * B) bsr Bits.

fixed(Bits, X) ->
    {M, E} = split(X),
    Size = shift(M, E + Bits),
    if
        X < 0.0 -> -Size;
        true -> Size
    end.

%% Rounds Value(Bits) * 2^Scale. It is off by less than 2^24 units of its last place (2^17, by a generous count);
%% while the ends of that interval do not round alike, it is given more bits.
settle(Scale, Value) -> settle(Scale, Value, 192).

settle(Scale, Value, Bits) ->
    Y = Value(Bits),
    Slack = 1 bsl 24,
    Low = nearest_double(Y - Slack, Scale - Bits),
    case nearest_double(Y + Slack, Scale - Bits) of
        High when High == Low -> Low;
        _ -> settle(Scale, Value, 2 * Bits)
    end.

%% The sum of all terms until they vanish. Next(Term, N) is the term after the one of the number N.
series(Term, N, Step, Next) -> series(Term, N, Step, Next, fun(Part, _) -> Part end).

%% The sum of Part(Term, N) over all terms.
series(Term, N, Step, Next, Part) -> series(Term, N, Step, Next, Part, 0).

series(Term, _, _, _, _, Sum) when Term >= -1, Term =< 1 -> Sum;
series(Term, N, Step, Next, Part, Sum) ->
    series(Next(Term, N), N + Step, Step, Next, Part, Sum + Part(Term, N)).

%% artanh of 1/N for the sign 1, arctan of 1/N for -1.
inverse_arc(Bits, Sign, N) ->
    series(one(Bits) div N, 1, 2, fun(Term, _) -> Term div (Sign * N * N) end, fun(Term, K) -> Term div K end).

ln2(Bits) -> constant({?FUNCTION_NAME, Bits}, fun(More) -> 2 * inverse_arc(More, 1, 3) end).

half_pi(Bits) ->
    constant({?FUNCTION_NAME, Bits}, fun(More) -> 8 * inverse_arc(More, -1, 5) - 2 * inverse_arc(More, -1, 239) end).

%% Computed once for each precision, with 16 bits to spare.
constant({_, Bits} = Name, Compute) ->
    Key = {?MODULE, Name},
    case persistent_term:get(Key, none) of
        none ->
            Value = Compute(Bits + 16) bsr 16,
            persistent_term:put(Key, Value),
            Value;
        Value ->
            Value
    end.

-spec exp(ieee:double()) -> ieee:double().
exp(nan) -> nan;
exp(infinity) -> infinity;
exp(minus_infinity) -> 0.0;
exp(X) when X > 710.0 -> infinity;
exp(X) when X < -746.0 -> 0.0;
exp(X) when abs(X) < 5.0e-17 -> 1.0;
exp(X) ->
    K = round(X / 0.6931471805599453),
    Halvings = 12,
    settle(K, fun(Bits) ->
        R = (fixed(Bits, X) - K * ln2(Bits)) bsr Halvings,
        Y = series(one(Bits), 1, 1, fun(Term, N) -> times(Bits, Term, R) div N end),
        lists:foldl(fun(_, Root) -> times(Bits, Root, Root) end, Y, lists:seq(1, Halvings))
    end).

-spec log(ieee:double()) -> ieee:double().
log(infinity) -> infinity;
log(X) when is_atom(X); X < 0.0 -> nan;
log(X) when X == 0.0 -> minus_infinity;
log(X) when X == 1.0 -> 0.0;
log(X) ->
    {M, E} = split(X),
    Size = bit_length(M),
    %% X / 2^K lies from 3/4 to 3/2.
    K = if
        4 * M < 3 bsl Size -> E + Size - 1;
        true -> E + Size
    end,
    settle(0, fun(Bits) ->
        Y = shift(M, E - K + Bits),
        Z = ((Y - one(Bits)) bsl Bits) div (Y + one(Bits)),
        Square = times(Bits, Z, Z),
        Artanh = series(Z, 1, 2, fun(Term, _) -> times(Bits, Term, Square) end, fun(Term, N) -> Term div N end),
        2 * Artanh + K * ln2(Bits)
    end).

-spec sin(ieee:double()) -> ieee:double().
sin(X) when is_atom(X) -> nan;
sin(X) when abs(X) < 1.0e-8 -> X;
sin(X) -> wave(0, X).

-spec cos(ieee:double()) -> ieee:double().
cos(X) when is_atom(X) -> nan;
cos(X) when abs(X) < 7.0e-9 -> 1.0;
cos(X) -> wave(1, X).

%% sin(X + Quarters * pi/2), |X| =< 8.
wave(Quarters, X) ->
    Q = round(X / 1.5707963267948966),
    Quadrant = (Q + Quarters) band 3,
    settle(0, fun(Bits) ->
        R = fixed(Bits, X) - Q * half_pi(Bits),
        Square = times(Bits, R, R),
        {First, Start} =
            case Quadrant band 1 of
                0 -> {R, 1};
                1 -> {one(Bits), 0}
            end,
        Y = series(First, Start, 2, fun(Term, N) -> -(times(Bits, Term, Square) div ((N + 1) * (N + 2))) end),
        if
            Quadrant < 2 -> Y;
            true -> -Y
        end
    end).

%% Y is an integer or half-integer.
-spec pow(ieee:double(), float()) -> ieee:double().
pow(_, Y) when Y == 0.0 -> 1.0;
pow(X, _) when X == 1.0 -> 1.0;
pow(nan, _) -> nan;
pow(X, Y) when Y == 1.0 -> X;
pow(X, Y) when Y == 2.0 -> ieee:multiply(X, X);
pow(X, Y) when Y == -1.0 -> ieee:divide(1.0, X);
pow(X, Y) when X == 0.0; is_atom(X) ->
    Size =
        case (X == 0.0) =:= (Y > 0.0) of
            true -> 0.0;
            false -> infinity
        end,
    case odd(Y) andalso ieee:negative(X) of
        true -> ieee:negate(Size);
        false -> Size
    end;
pow(X, Y) when X > 0.0, Y == 0.5 -> math:sqrt(X);
pow(X, Y) when X > 0.0 -> power(X, trunc(2.0 * Y));
pow(X, Y) ->
    case {whole(Y), odd(Y)} of
        {false, _} -> nan;
        {true, true} -> ieee:negate(pow(-X, Y));
        {true, false} -> pow(-X, Y)
    end.

whole(Y) -> Y == trunc(Y).
odd(Y) -> whole(Y) andalso trunc(Y) band 1 =:= 1.

%% X to T / 2 for X > 0. The last bit is sticky: it says whether anything was left over.
power(X, T) when T band 1 =:= 0 ->
    {N, E} = integer_power(X, abs(T div 2)),
    case T > 0 of
        true ->
            nearest_double(N, E);
        false ->
            Shift = 132 + bit_length(N),
            nearest_double(sticky(one(Shift) div N, one(Shift) rem N), -E - Shift - 1)
    end;
power(X, T) ->
    {N, Size} = integer_power(X, abs(T)),
    {Least, E} =
        case T > 0 of
            true -> {max(0, 132 - bit_length(N)), Size};
            false -> {132 + bit_length(N), -Size}
        end,
    Shift = Least + ((E - Least) band 1),
    {Square, Rest} =
        case T > 0 of
            true -> {N bsl Shift, 0};
            false -> {one(Shift) div N, one(Shift) rem N}
        end,
    Root = integer_root(Square),
    nearest_double(sticky(Root, Rest + Square - Root * Root), (E - Shift) div 2 - 1).

sticky(Value, 0) -> 2 * Value;
sticky(Value, _) -> 2 * Value + 1.

%% X^N as an integer and a power of two. An odd integer to begin with keeps it short.
integer_power(X, N) ->
    {M, E} = odd_part(split(X)),
    {integer_power(M, N, 1), E * N}.

odd_part({M, E}) when M band 1 =:= 1 -> {M, E};
odd_part({M, E}) -> odd_part({M bsr 1, E + 1}).

integer_power(_, 0, Product) -> Product;
integer_power(M, N, Product) when N band 1 =:= 1 -> integer_power(M * M, N bsr 1, Product * M);
integer_power(M, N, Product) -> integer_power(M * M, N bsr 1, Product).

%% The integer square root, by Newton's method with digits that double at each step.
integer_root(N) ->
    C = (bit_length(N) - 1) div 2,
    Step = fun(S, {A, D}) ->
        More = C bsr S,
        {(A bsl (More - D - 1)) + (N bsr (2 * C - D - More + 1)) div A, More}
    end,
    {A, _} = lists:foldl(Step, {1, 0}, lists:seq(bit_length(C) - 1, 0, -1)),
    if
        A * A > N -> A - 1;
        true -> A
    end.

%% X with four decimals, rounded from its exact value.
-spec decimals(ieee:double()) -> string().
decimals(nan) -> "nan";
decimals(infinity) -> "inf";
decimals(minus_infinity) -> "-inf";
decimals(X) ->
    {M, E} = split(X),
    N = shift(10000 * M, E),
    Sign = [$- || ieee:negative(X)],
    lists:flatten(io_lib:format("~s~b.~4..0b", [Sign, N div 10000, N rem 10000])).
