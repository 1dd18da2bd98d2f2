%% The random numbers: MT19937 and what is drawn from it. Each draw returns what it drew and the next generator.
-module(twister).

-export([seeded/1, restored/3, words/1, index/1, kept/1, word/1, random/1, gauss/2, shuffle/2, choice/2]).

-record(generator, {words, index = 624, kept = none}).

-define(MASK, 16#ffffffff).

seeded(Seed) ->
    Next = fun(I, [Last | _] = Words) -> [(1812433253 * mixed(Last) + I) band ?MASK | Words] end,
    Start = indexed(lists:reverse(lists:foldl(Next, [19650218], lists:seq(1, 623)))),
    {Once, I} = stir(624, 1664525, fun(_) -> Seed end, {Start, 1}),
    {Twice, _} = stir(623, 1566083941, fun(J) -> -J end, {Once, I}),
    #generator{words = Twice#{0 := 16#80000000}}.

indexed(Items) -> maps:from_list(lists:enumerate(0, Items)).

mixed(Word) -> Word bxor (Word bsr 30).

stir(0, _, _, State) ->
    State;
stir(Count, Factor, Plus, {Words, I}) ->
    #{I := Word, (I - 1) := Before} = Words,
    New = ((Word bxor (mixed(Before) * Factor)) + Plus(I)) band ?MASK,
    case I of
        623 -> stir(Count - 1, Factor, Plus, {Words#{623 := New, 0 := New}, 1});
        _ -> stir(Count - 1, Factor, Plus, {Words#{I := New}, I + 1})
    end.

restored(Index, Words, Kept) -> #generator{words = indexed(Words), index = Index, kept = Kept}.

words(#generator{words = Words}) -> [map_get(I, Words) || I <- lists:seq(0, 623)].
index(#generator{index = Index}) -> Index.
kept(#generator{kept = Kept}) -> Kept.

word(#generator{words = Words, index = 624} = G) ->
    word(G#generator{words = lists:foldl(fun renew/2, Words, lists:seq(0, 623)), index = 0});
word(#generator{words = Words, index = Index} = G) ->
    Y0 = map_get(Index, Words),
    Y1 = Y0 bxor (Y0 bsr 11),
    Y2 = Y1 bxor ((Y1 bsl 7) band 2636928640),
    Y3 = Y2 bxor ((Y2 bsl 15) band 4022730752),
    {Y3 bxor (Y3 bsr 18), G#generator{index = Index + 1}}.

renew(I, Words) ->
    #{I := Word, ((I + 1) rem 624) := Next, ((I + 397) rem 624) := Far} = Words,
    Y = (Word band 16#80000000) bor (Next band 16#7fffffff),
    Words#{I := Far bxor (Y bsr 1) bxor ((Y band 1) * 2567483615)}.

random(G) ->
    {A, G1} = word(G),
    {B, G2} = word(G1),
    {((A bsr 5) * 67108864 + (B bsr 6)) / 9007199254740992, G2}.

gauss(Sigma, #generator{kept = none} = G) ->
    {U, G1} = random(G),
    {V, G2} = random(G1),
    Angle = U * 6.283185307179586,
    Radius = math:sqrt(-2.0 * exact:log(1.0 - V)),
    {scaled(exact:cos(Angle) * Radius, Sigma), G2#generator{kept = exact:sin(Angle) * Radius}};
gauss(Sigma, #generator{kept = Z} = G) ->
    {scaled(Z, Sigma), G#generator{kept = none}}.

scaled(Z, Sigma) -> ieee:add(0.0, ieee:multiply(Z, Sigma)).

below(N, G) -> below(N, 32 - length(integer_to_list(N, 2)), G).

below(N, Shift, G) ->
    case word(G) of
        {Word, Next} when Word bsr Shift < N -> {Word bsr Shift, Next};
        {_, Next} -> below(N, Shift, Next)
    end.

shuffle(Items, G) ->
    Swap = fun(I, {Shuffled, G1}) ->
        {J, G2} = below(I + 1, G1),
        #{I := A, J := B} = Shuffled,
        {Shuffled#{I := B, J := A}, G2}
    end,
    Last = length(Items) - 1,
    {Shuffled, Next} = lists:foldl(Swap, {indexed(Items), G}, lists:seq(Last, 1, -1)),
    {[map_get(I, Shuffled) || I <- lists:seq(0, Last)], Next}.

%% The index of a weight.
choice([First | Weights], G) ->
    Add = fun(Weight, [Sum | _] = Sums) -> [ieee:add(Sum, Weight) | Sums] end,
    [Total | _] = Sums = lists:foldl(Add, [First], Weights),
    is_float(Total) andalso Total > 0.0 orelse throw({refused, "the weights must add up to a finite number above 0"}),
    {U, Next} = random(G),
    {search(ieee:multiply(U, Total), list_to_tuple(lists:reverse(Sums)), 0, length(Weights)), Next}.

search(_, _, Low, Low) ->
    Low;
search(U, Cumulative, Low, High) ->
    Middle = (Low + High) div 2,
    case ieee:greater(element(Middle + 1, Cumulative), U) of
        true -> search(U, Cumulative, Low, Middle);
        false -> search(U, Cumulative, Middle + 1, High)
    end.
