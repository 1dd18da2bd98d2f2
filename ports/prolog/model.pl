:- module(model, [matrices/2, model//3, loss//4, sample//4]).

:- use_module(exact).
:- use_module(graph).
:- use_module(twister).

/** <module> The model, its loss, and samples from it (SPEC, sections 6, 7 and 9)

A shape is shape(Layers, Heads, Embedding, Block, Vocabulary, Activation, Attend), where Attend has a list of positions
for each position. A model is model(Shape, Leaves, Wte, Wpe, Head, Layers); tables are compound terms.
*/

%!  matrices(+Shape, -Matrices)
%
%   matrix(Name, Rows, Columns) for every matrix of parameters, in order.
matrices(shape(Layers, _, E, Block, Vocabulary, _, _), Matrices) :-
    Wide is 4 * E,
    Last is Layers - 1,
    findall(matrix(Name, Rows, Columns),
            (   member(Name-Rows-Columns, [wte-Vocabulary-E, wpe-Block-E, lm_head-Vocabulary-E])
            ;   between(0, Last, I),
                member(Part-Rows-Columns, [attn_wq-E-E, attn_wk-E-E, attn_wv-E-E, attn_wo-E-E, mlp_fc1-Wide-E, mlp_fc2-E-Wide]),
                format(atom(Name), "layer~d.~w", [I, Part])
            ),
            Matrices).

%   A model, whose parameters are the first nodes.
model(Shape, Parameters, model(Shape, Leaves, Wte, Wpe, Head, Layers)) -->
    foldl(leaf, Parameters, Leaves),
    { matrices(Shape, Matrices),
      foldl(cut_matrix, Matrices, [WteRows, WpeRows, Head|Weights], Leaves, []),
      Wte =.. [rows|WteRows],
      Wpe =.. [rows|WpeRows],
      by_six(Weights, Layers) }.

cut_matrix(matrix(_, Rows, Columns), Matrix, Leaves, Rest) :-
    length(Matrix, Rows),
    foldl(cut_row(Columns), Matrix, Leaves, Rest).

cut_row(Columns, Row, Leaves, Rest) :- length(Row, Columns), append(Row, Rest, Leaves), !.

by_six([], []).
by_six([Wq, Wk, Wv, Wo, Fc1, Fc2|Weights], [layer(Wq, Wk, Wv, Wo, Fc1, Fc2)|Layers]) :- by_six(Weights, Layers).

linear(Matrix, Xs, Ys) --> foldl(dot_with(Xs), Matrix, Ys).
dot_with(Xs, Row, Y) --> dot(Row, Xs, Y).
vector_add(As, Bs, Cs) --> foldl(add, As, Bs, Cs).

rmsnorm(Xs, Ys) -->
    { length(Xs, Length), N is float(Length) },
    dot(Xs, Xs, Sum),
    divide(N, Sum, Mean),
    add_number(0.00001, Mean, Shifted),
    power(-0.5, Shifted, Scale),
    foldl(multiply(Scale), Xs, Ys).

softmax(Xs, Ys) -->
    { Xs = [First|Others],
      value(First, X),
      foldl(greater, Others, X, Top),
      Minus is -Top },
    foldl(add_number(Minus), Xs, Shifted),
    foldl(exponential, Shifted, Exps),
    sum(Exps, Total),
    quotients(Total, Exps, Ys).

greater(N, Top, Greater) :- value(N, X), ( X > Top -> Greater = X ; Greater = Top ).

activate(relu, X, Y) --> relu(X, Y).
activate(squared_relu, X, Y) --> relu(X, R), power(2.0, R, Y).

%   Xs in parts of one length.
parts(_, [], []) :- !.
parts(Size, Xs, [Part|Parts]) :-
    length(Part, Size),
    append(Part, Rest, Xs), !,
    parts(Size, Rest, Parts).

transposed([[]|_], []) :- !.
transposed(Rows, [Column|Columns]) :-
    maplist(uncons, Rows, Column, Rests),
    transposed(Rests, Columns).

uncons([X|Xs], X, Xs).

%   The mixed values of one head, and its activations.
attention(Query, Keys, Values, Mixed, [scores-Scores, weights-Weights, mixed-Mixed]) -->
    { length(Query, Size), Root is sqrt(float(Size)) },
    linear(Keys, Query, Products),
    foldl(divide(Root), Products, Scores),
    softmax(Scores, Weights),
    { transposed(Values, Columns) },
    foldl(mix(Weights), Columns, Mixed).

mix(Weights, Column, X) --> dot(Weights, Column, X).

heads([], _, _, [], []) --> [].
heads([Query|Queries], H, Cached, [Mixed|Mixeds], [in(head, H, Seen)|Seens]) -->
    { maplist(head, Cached, Keys, Values, Others), H1 is H + 1 },
    attention(Query, Keys, Values, Mixed, Seen),
    heads(Queries, H1, Others, Mixeds, Seens).

head(cache([Key|Keys], [Value|Values]), Key, Value, cache(Keys, Values)).

%   The output of a layer for the input Xs. The cache has the keys and values of all positions, cut by heads; the last
%   position is the first in the list.
layer(Shape, T, layer(Wq, Wk, Wv, Wo, Fc1, Fc2), Cache, [Own|Cache], Xs, Ys, Seen) -->
    { Shape = shape(_, Heads, Embedding, _, _, Activation, Attend),
      Size is Embedding // Heads },
    rmsnorm(Xs, Normed),
    linear(Wq, Normed, Q),
    linear(Wk, Normed, K),
    linear(Wv, Normed, V),
    { maplist(parts(Size), [Q, K, V], [Queries, Keys, Values]),
      Own = cache(Keys, Values),
      T1 is T + 1,
      arg(T1, Attend, Attended),
      CacheTable =.. [cache, Own|Cache],
      maplist(cached(T1, CacheTable), Attended, Cached) },
    heads(Queries, 0, Cached, Mixeds, SeenOfHeads),
    { append(Mixeds, Mixed) },
    linear(Wo, Mixed, Out),
    vector_add(Out, Xs, Residual),
    rmsnorm(Residual, MlpNorm),
    linear(Fc1, MlpNorm, Hidden),
    foldl(activate(Activation), Hidden, Activated),
    linear(Fc2, Activated, MlpOut),
    vector_add(MlpOut, Residual, Ys),
    { append([[attn_norm-Normed, q-Q, k-K, v-V],
              SeenOfHeads,
              [attn_out-Out, attn_residual-Residual, mlp_norm-MlpNorm, hidden-Hidden, activated-Activated,
               mlp_out-MlpOut, mlp_residual-Ys]],
             Seen) }.

cached(T1, Table, Position, Cached) :- Place is T1 - Position, arg(Place, Table, Cached).

layers([], _, _, _, [], [], Xs, Xs, []) --> [].
layers([Layer|Layers], I, Shape, T, [Cache|Caches], [Cache1|Caches1], Xs, Zs, [in(layer, I, Seen)|Seens]) -->
    layer(Shape, T, Layer, Cache, Cache1, Xs, Ys, Seen),
    { I1 is I + 1 },
    layers(Layers, I1, Shape, T, Caches, Caches1, Ys, Zs, Seens).

%   The logits of what follows the token at position T, and the activations.
logits(model(Shape, _, Wte, Wpe, Head, Layers), T, Token, Caches, Caches1, Logits, Seen) -->
    { Row is Token + 1, T1 is T + 1, arg(Row, Wte, Es), arg(T1, Wpe, Ps) },
    vector_add(Es, Ps, Embedded),
    rmsnorm(Embedded, Normed),
    layers(Layers, 0, Shape, T, Caches, Caches1, Normed, Xs, SeenOfLayers),
    linear(Head, Xs, Logits),
    { append([embedded-Embedded, normed-Normed|SeenOfLayers], [logits-Logits], Seen) }.

empty_caches(model(_, _, _, _, _, Layers), Caches) :- same_length(Layers, Caches), maplist(=([]), Caches).

%   The node of a document's loss, and the activations: Name-Nodes, or in(Part, Number, Activations).
loss(Model, Tokens, Loss, Seens) -->
    { empty_caches(Model, Caches),
      Model = model(shape(_, _, _, Block, _, _, _), _, _, _, _, _) },
    losses(Tokens, 0, Block, Model, Caches, Losses, Seens),
    { length(Losses, Length), N is float(Length) },
    sum(Losses, Sum),
    divide(N, Sum, Loss).

losses([_], _, _, _, _, [], []) --> !, [].
losses(_, Block, Block, _, _, [], []) --> !, [].
losses([Token, Next|Tokens], T, Block, Model, Caches, [Loss|Losses], [in(pos, T, Seen)|Seens]) -->
    logits(Model, T, Token, Caches, Caches1, Logits, SeenOfLogits),
    softmax(Logits, Probabilities),
    { nth0(Next, Probabilities, P) },
    logarithm(P, Log),
    negate(Log, Loss),
    { append(SeenOfLogits, [probabilities-Probabilities, loss-[Loss]], Seen), T1 is T + 1 },
    losses([Next|Tokens], T1, Block, Model, Caches1, Losses, Seens).

%   What is drawn until BOS or the end of the block: drawn(Probabilities, Token) for each token. It threads the
%   generator.
sample(Model, Count, Temperature, Draws) -->
    { empty_caches(Model, Caches),
      Model = model(shape(_, _, _, Block, Vocabulary, _, _), _, _, _, _, _),
      Bos is Vocabulary - 1 },
    draws(Bos, 0, Block, Bos, Model, Count, Temperature, Caches, Draws).

draws(_, Block, Block, _, _, _, _, _, []) --> !, [].
draws(Token, T, Block, Bos, Model, Count, Temperature, Caches, [drawn(Values, Drawn)|Draws]) -->
    { logits(Model, T, Token, Caches, Caches1, Logits, _, Count, Count1),
      foldl(divide(Temperature), Logits, Scaled, Count1, Count2),
      softmax(Scaled, Probabilities, Count2, _),
      maplist(value, Probabilities, Values) },
    choice(Values, Drawn),
    (   { Drawn =:= Bos }
    ->  { Draws = [] }
    ;   { T1 is T + 1 },
        draws(Drawn, T1, Block, Bos, Model, Count, Temperature, Caches1, Draws)
    ).
