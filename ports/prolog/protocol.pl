:- module(protocol, [key//2, one//3, many//3, each//1, each//3, next//2, split_words/2, finish//0, math//0, tensor//4, tensors//3,
                     integer_in/4, double/2, exponent/3, code_point/2, choice/3, increasing/4,
                     put/2, put_doubles/2, put_tensor/4, put_tensors/3, put_checksum/2]).

:- use_module(exact).
:- use_module(model).
:- use_module(refuse).

/** <module> Requests and replies (SPEC, section 11)

A request is a list of lines, which are strings, and the rules below are a grammar of such lists. What they read they
read for good: a line that does not fit is refused. Replies are written to the current output.
*/

:- meta_predicate one(+, 2, -, ?, ?), many(+, 2, -, ?, ?), each(2, ?, ?), each(4, ?, ?, ?, ?).

words(Line, Key, Words) :-
    string_length(Line, Length),
    ( Length > 65536 -> refuse("a line is longer than 65536 bytes") ; true ),
    split_words(Line, [Key|Words]).

%   split_string takes a NUL for a character of its empty padding, and drops it.
split_words(Line, Words) :-
    ( sub_string(Line, _, _, _, "\x0\") -> refuse("a line has a NUL") ; true ),
    split_string(Line, " ", "", Words).

next(Key, Words) --> [Line], !, { words(Line, Key, Words) }.
next(_, _) --> { refuse("the request ends too early") }.

%   The values of the next line, which must have this key.
key(Key, Words) -->
    next(Found, Words),
    { Found == Key -> true ; refuse("expected a line ~s", [Key]) }.

%   What Read makes of the one value of that line.
one(Key, Read, Value) -->
    key(Key, Words),
    { Words = [Word] -> call(Read, Word, Value) ; refuse("~s takes 1 value", [Key]) }.

%   What Read makes of the values of the next lines with this key; there must be one.
many(Key, Read, [Value|Values]) -->
    key(Key, Words),
    { call(Read, Words, Value) },
    (   next_is(Key)
    ->  many(Key, Read, Values)
    ;   { Values = [] }
    ).

next_is(Key, [Line|Lines], [Line|Lines]) :- words(Line, Key, _).

%   Calls Goal with key and values of all lines that are left; there must be one.
each(Goal) -->
    next(Key, Words),
    { call(Goal, Key, Words) },
    (   finished
    ->  []
    ;   each(Goal)
    ).

%   The same, for a Goal that makes State of State0 as well.
each(Goal, State0, State) -->
    next(Key, Words),
    { call(Goal, Key, Words, State0, State1) },
    (   finished
    ->  { State = State1 }
    ;   each(Goal, State1, State)
    ).

finished([], []).

finish --> finished, !.
finish --> { refuse("expected the line end") }.

math --> one("math", functions, _).

functions("exact", exact) :- !.
functions("native", _) :- refuse("unsupported").
functions(_, _) :- refuse("math is exact or native").

%   A tensor and its shape, which may be given.
tensor(Name, Rows, Columns, Xs) -->
    key("tensor", Words),
    { Words = [Found, RowWord, ColumnWord], string_codes(Found, Codes), atom_codes(Name, Codes)
    ->  integer_in(1, 2048, RowWord, FoundRows),
        integer_in(1, 2048, ColumnWord, FoundColumns),
        ( FoundRows-FoundColumns = Rows-Columns -> true ; refuse("~w has the wrong shape", [Name]) )
    ;   refuse("expected the tensor ~w", [Name])
    },
    { length(Lists, Rows) },
    foldl(row(Name, Columns), Lists),
    { append(Lists, Xs) }.

row(Name, Columns, Xs) -->
    key("row", Words),
    { length(Words, Columns) -> maplist(double, Words, Xs) ; refuse("a row of ~w does not have ~d values", [Name, Columns]) }.

%   All matrices of a model in one list. Each name begins with the prefix.
tensors(Shape, Prefix, Xs) -->
    { matrices(Shape, Matrices) },
    foldl(prefixed_tensor(Prefix), Matrices, Lists),
    { append(Lists, Xs) }.

prefixed_tensor(Prefix, matrix(Name, Rows, Columns), Xs) -->
    { atom_concat(Prefix, Name, Full) },
    tensor(Full, Rows, Columns, Xs).

% Readers of words.

integer_in(Low, High, Word, N) :-
    string_codes(Word, Codes),
    length(Codes, Length),
    (   Length >= 1, Length =< 10,
        forall(member(C, Codes), between(0'0, 0'9, C)),
        \+ Codes = [0'0, _|_]
    ->  number_codes(N, Codes)
    ;   refuse("expected an integer")
    ),
    ( between(Low, High, N) -> true ; refuse("an integer is not from ~d to ~d", [Low, High]) ).

%   Every NaN becomes the one NaN.
double(Word, X) :-
    (   string_length(Word, 16),
        split_string(Word, "", "0123456789abcdef", [""])
    ->  string_concat("0x", Word, Literal),
        number_string(Bits, Literal),
        from_bits(Bits, X)
    ;   refuse("a double has 16 lower-case hex digits")
    ).

from_bits(Bits, X) :-
    Exponent is Bits >> 52 /\ 0x7ff,
    Fraction is Bits /\ 0xfffffffffffff,
    magnitude(Exponent, Fraction, Size),
    ( Bits >> 63 =:= 0 -> X = Size ; X is -Size ).

magnitude(0x7ff, 0, Size) :- !, Size is inf.
magnitude(0x7ff, _, Size) :- !, Size is nan.
magnitude(0, Fraction, Size) :- !, Size is Fraction * 2.0 ** -1074.
magnitude(Exponent, Fraction, Size) :- Size is (Fraction + 0x10000000000000) * 2.0 ** float(Exponent - 1075).

to_bits(X, Bits) :-
    (   is_nan(X)
    ->  Bits = 0x7ff8000000000000
    ;   copysign(1.0, X) < 0
    ->  size_bits(X, Size),
        Bits is Size \/ 1 << 63
    ;   size_bits(X, Bits)
    ).

size_bits(X, Bits) :- X =:= 0, !, Bits = 0.
size_bits(X, Bits) :- is_inf(X), !, Bits = 0x7ff0000000000000.
size_bits(X, Bits) :-
    split(X, M, E),
    Size is abs(M),
    Last is max(msb(Size) + E - 52, -1074),
    Places is E - Last,
    ( Places >= 0 -> Significand is Size << Places ; Significand is Size >> -Places ),
    Bits is ((Last + 1074) << 52) + Significand.

exponent(Limit, Word, Y) :-
    double(Word, Y),
    (   abs(Y) =< Limit, 2 * Y =:= integer(2 * Y)
    ->  true
    ;   refuse("an exponent is an integer or half-integer up to ~d", [Limit])
    ).

code_point(Word, Point) :-
    integer_in(0, 0x10ffff, Word, Point),
    ( between(0xd800, 0xdfff, Point) -> refuse("a surrogate is not a code point") ; true ).

choice(Choices, Word, Value) :-
    (   memberchk(Word-Value, Choices)
    ->  true
    ;   refuse("a word is not one of those expected")
    ).

increasing(Low, High, Words, Integers) :-
    maplist(integer_in(Low, High), Words, Integers),
    ( sort(Integers, Integers) -> true ; refuse("expected increasing integers") ).

% Replies.

put(Key, Values) :-
    write(Key),
    forall(member(Value, Values), ( write(' '), write(Value) )),
    nl.

put_doubles(Key, Xs) :-
    write(Key),
    put_hex(Xs),
    nl.

put_hex([]).
put_hex([X|Xs]) :-
    to_bits(X, Bits),
    format(" ~|~`0t~16r~16+", [Bits]),
    put_hex(Xs).

put_tensor(Name, Rows, Columns, Xs) :-
    format("tensor ~w ~d ~d~n", [Name, Rows, Columns]),
    put_rows(Xs, Columns).

put_rows([], _) :- !.
put_rows(Xs, Columns) :-
    length(Row, Columns),
    append(Row, Rest, Xs), !,
    put_doubles(row, Row),
    put_rows(Rest, Columns).

put_tensors(Shape, Prefix, Xs) :-
    matrices(Shape, Matrices),
    foldl(put_matrix(Prefix), Matrices, Xs, []).

put_matrix(Prefix, matrix(Name, Rows, Columns), Xs, Rest) :-
    Count is Rows * Columns,
    length(Own, Count),
    append(Own, Rest, Xs), !,
    atom_concat(Prefix, Name, Full),
    put_tensor(Full, Rows, Columns, Own).

%   SPEC, section 13.
put_checksum(Key, Xs) :-
    foldl(checksum, Xs, 1-0, A-B),
    format("~w ~|~`0t~16r~8+ ~|~`0t~16r~8+~n", [Key, A, B]).

checksum(X, A0-B0, A-B) :-
    to_bits(X, Bits),
    A1 is (A0 + (Bits >> 32)) mod 4294967291,
    B1 is (B0 + A1) mod 4294967291,
    A is (A1 + (Bits /\ 0xffffffff)) mod 4294967291,
    B is (B1 + A) mod 4294967291.
