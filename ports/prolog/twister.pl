:- module(twister, [seeded//1, restored//3, state//3, word//1, random//1, gauss//2, shuffle//2, choice//2]).

:- use_module(exact).
:- use_module(refuse).

/** <module> MT19937 and what is drawn from it

A generator is mt(Block, Left, Kept): 624 words, those of them that are left, and the kept value of gauss, or none.
The grammar rules thread it.
*/

seeded(Seed, _, mt(Block, [], none)) :-
    numlist(1, 623, Is),
    foldl(first_word, Is, Words0, 19650218, _),
    Table =.. [words, 19650218|Words0],
    stir(624, 1, 1664525, seed(Seed), Table, I),
    stir(623, I, 1566083941, minus, Table, _),
    Table =.. [words, _|Words],
    Block = [0x80000000|Words].

first_word(I, Word, Before, Word) :-
    Word is (1812433253 * (Before xor (Before >> 30)) + I) /\ 0xffffffff.

stir(0, I, _, _, _, I) :- !.
stir(Count, I, Factor, Plus, Table, End) :-
    arg(I, Table, Before),
    Place is I + 1,
    arg(Place, Table, Old),
    plus(Plus, I, Addend),
    New is ((Old xor ((Before xor (Before >> 30)) * Factor)) + Addend) /\ 0xffffffff,
    setarg(Place, Table, New),
    (   Place =:= 624
    ->  setarg(1, Table, New),
        Next = 1
    ;   Next = Place
    ),
    Count1 is Count - 1,
    stir(Count1, Next, Factor, Plus, Table, End).

plus(seed(Seed), _, Seed).
plus(minus, I, Addend) :- Addend is -I.

restored(Index, Words, Kept, _, mt(Words, Left, Kept)) :-
    length(Used, Index),
    append(Used, Left, Words).

state(Index, Words, Kept, Twister, Twister) :-
    Twister = mt(Words, Left, Kept),
    length(Left, Count),
    Index is 624 - Count.

word(Word, mt(Block, [Y0|Left], Kept), mt(Block, Left, Kept)) :- !,
    Y1 is Y0 xor (Y0 >> 11),
    Y2 is Y1 xor ((Y1 << 7) /\ 2636928640),
    Y3 is Y2 xor ((Y2 << 15) /\ 4022730752),
    Word is Y3 xor (Y3 >> 18).
word(Word, mt(Block, [], Kept), Twister) :-
    length(Skipped, 397),
    append(Block, New, Stream),
    append(Skipped, Far, Stream),
    length(New, 624),
    renew(New, Stream, Far),
    word(Word, mt(New, New, Kept), Twister).

%   The new words are the end of the stream of all words, from which they are made.
renew([], _, _).
renew([New|News], [A|Stream], [C|Far]) :-
    Stream = [B|_],
    Y is (A /\ 0x80000000) \/ (B /\ 0x7fffffff),
    New is C xor (Y >> 1) xor ((Y /\ 1) * 2567483615),
    renew(News, Stream, Far).

random(X) -->
    word(A),
    word(B),
    { X is float((A >> 5) * 67108864 + (B >> 6)) / 9007199254740992.0 }.

gauss(Sigma, X) -->
    normal(Z),
    { X is 0.0 + Z * Sigma }.

normal(Z, mt(Block, Left, Kept), mt(Block, Left, none)) :-
    Kept \== none, !,
    Z = Kept.
normal(Z) -->
    random(U),
    random(V),
    { Angle is U * 6.283185307179586,
      Rest is 1.0 - V,
      log_of(Rest, Log),
      Radius is sqrt(-2.0 * Log),
      cos_of(Angle, Cos),
      sin_of(Angle, Sin),
      Z is Cos * Radius,
      Kept is Sin * Radius },
    keep(Kept).

keep(Kept, mt(Block, Left, _), mt(Block, Left, Kept)).

below(N, I) -->
    word(Word),
    { Shift is 31 - msb(N),
      Small is Word >> Shift },
    (   { Small < N }
    ->  { I = Small }
    ;   below(N, I)
    ).

shuffle(Items, Shuffled) -->
    { Table =.. [items|Items],
      functor(Table, _, Count) },
    swaps(Count, Table),
    { Table =.. [items|Shuffled] }.

swaps(I, _) --> { I =< 1 }, !.
swaps(I, Table) -->
    below(I, J0),
    { J is J0 + 1,
      arg(I, Table, A),
      arg(J, Table, B),
      setarg(I, Table, B),
      setarg(J, Table, A),
      I1 is I - 1 },
    swaps(I1, Table).

%   The index of one of the weights.
choice([First|Others], Index) -->
    { foldl(running_sum, Others, Sums, First, Last),
      Total is Last + 0.0,
      ( Total > 0, Total < inf -> true ; refuse("the weights must add up to a finite number above 0") ),
      Table =.. [sums, First|Sums],
      functor(Table, _, Count),
      High is Count - 1 },
    random(X),
    { U is X * Total,
      bisect(0, High, U, Table, Index) }.

running_sum(Weight, Sum, Before, Sum) :- Sum is Before + Weight.

bisect(Low, Low, _, _, Low) :- !.
bisect(Low, High, U, Table, Index) :-
    Middle is (Low + High) // 2,
    Next is Middle + 1,
    arg(Next, Table, Sum),
    (   U < Sum
    ->  bisect(Low, Middle, U, Table, Index)
    ;   bisect(Next, High, U, Table, Index)
    ).
