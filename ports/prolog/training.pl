:- module(training, [factors/3, update/7, advance/6, documents/2, vocabulary/2, encode/3, preset/2, run/6]).

:- use_module(exact).
:- use_module(graph).
:- use_module(model).
:- use_module(refuse).
:- use_module(twister).

/** <module> Adam, datasets, and a whole run (SPEC, sections 4, 8 and 10)

The settings are adam(LearningRate, Beta1, Beta2, Epsilon, Schedule, Steps). Text is a list of code points.
*/

%!  factors(+Adam, +Step, -Factors)
%
%   factors(Rate, Correction1, Correction2) of a step.
factors(adam(First, Beta1, Beta2, _, Schedule, Steps), Step, factors(Rate, Correction1, Correction2)) :-
    Power is Step + 1.0,
    pow(Beta1, Power, P1),
    pow(Beta2, Power, P2),
    Correction1 is 1.0 - P1,
    Correction2 is 1.0 - P2,
    rate(Schedule, First, Step, Steps, Rate).

rate(linear, First, Step, Steps, Rate) :- Rate is First * (1.0 - float(Step) / float(Steps)).
rate(cosine, First, Step, Steps, Rate) :-
    Angle is 3.141592653589793 * float(Step) / float(Steps),
    cos_of(Angle, Cos),
    Rate is First * 0.5 * (1.0 + Cos).

%!  update(+Adam, +Step, +Gradients, +Before, -Ps, -Ms, -Vs)
%
%   Before is before(Ps, Ms, Vs), the parameters and moments before the update.
update(Adam, Step, Gs, before(Ps0, Ms0, Vs0), Ps, Ms, Vs) :-
    Adam = adam(_, Beta1, Beta2, Epsilon, _, _),
    factors(Adam, Step, factors(Rate, Correction1, Correction2)),
    update_all(Gs, Ps0, Ms0, Vs0, u(Beta1, Beta2, Epsilon, Rate, Correction1, Correction2), Ps, Ms, Vs).

update_all([], [], [], [], _, [], [], []).
update_all([G|Gs], [P0|Ps0], [M0|Ms0], [V0|Vs0], U, [P|Ps], [M|Ms], [V|Vs]) :-
    U = u(Beta1, Beta2, Epsilon, Rate, Correction1, Correction2),
    M is Beta1 * M0 + (1.0 - Beta1) * G,
    V is Beta2 * V0 + (1.0 - Beta2) * (G * G),
    over(V, Correction2, CorrectedV),
    pow(CorrectedV, 0.5, Root),
    over(M, Correction1, CorrectedM),
    Dividend is Rate * CorrectedM,
    Divisor is Root + Epsilon,
    over(Dividend, Divisor, Change),
    P is P0 - Change,
    update_all(Gs, Ps0, Ms0, Vs0, U, Ps, Ms, Vs).

%!  advance(+Shape, +Adam, +Step-Document, +Before, -After, -Loss)
%
%   One step. After is after(Gradients, Ms, Vs, Ps).
advance(Shape, Adam, Step-Document, Before, after(Gs, Ms, Vs, Ps), Value) :-
    Before = before(Ps0, _, _),
    model(Shape, Ps0, Model, 0, Count0),
    loss(Model, Document, Loss, _, Count0, Count),
    value(Loss, Value),
    backward(Loss, Count, Gradients),
    Model = model(_, Leaves, _, _, _, _),
    maplist(gradient(Gradients), Leaves, Gs),
    update(Adam, Step, Gs, Before, Ps, Ms, Vs).

%   The stripped lines that are not empty.
documents(Lines, Documents) :-
    maplist(stripped, Lines, Stripped),
    exclude(==([]), Stripped, Documents),
    ( Documents == [] -> refuse("the dataset has no documents") ; true ).

stripped(Line, Stripped) :-
    spaceless(Line, Front),
    reverse(Front, Reversed),
    spaceless(Reversed, Back),
    reverse(Back, Stripped).

spaceless([C|Cs], Rest) :- ( C =:= 32 ; C >= 9, C =< 13 ), !, spaceless(Cs, Rest).
spaceless(Cs, Cs).

%   The distinct code points, in order.
vocabulary(Documents, Points) :-
    maplist(sort, Documents, Sets),
    ord_union(Sets, Points),
    length(Points, Length),
    ( Length > 2047 -> refuse("the dataset has more than 2047 distinct characters") ; true ).

%!  encode(+Points, +Documents, -Encoded)
encode(Points, Documents, Encoded) :-
    length(Points, Bos),
    findall(Point-Token, nth0(Token, Points, Point), Pairs),
    list_to_assoc(Pairs, Tokens),
    maplist(encode(Bos, Tokens), Documents, Encoded).

encode(Bos, Tokens, Document, [Bos|Encoded]) :-
    foldl(encode_point(Tokens), Document, Encoded, [Bos]).

encode_point(Tokens, Point, [Token|Rest], Rest) :- get_assoc(Point, Tokens, Token).

%   preset(Block, Activation, Sigma, OutputSigma, Adam)
preset("seed", preset(8, squared_relu, 0.02, 0.0, adam(0.01, 0.9, 0.95, 1.0e-8, cosine, 500))).
preset("classic", preset(16, relu, 0.08, 0.08, adam(0.01, 0.85, 0.99, 1.0e-8, linear, 1000))).

:- meta_predicate run(+, +, +, 1, -, -).

%!  run(+Preset, +Samples, +Lines, :Say, -Twister, -Before)
%
%   A whole run from seed 42, with the steps that the preset's Adam has. Say is called with each printed line.
run(preset(Block, Activation, Sigma, OutputSigma, Adam), Samples, Lines, Say, Twister, Trained) :-
    documents(Lines, Unshuffled),
    seeded(42, _, Twister0),
    shuffle(Unshuffled, Documents, Twister0, Twister1),
    vocabulary(Documents, Points),
    length(Points, Bos),
    Vocabulary is Bos + 1,
    Last is Block - 1,
    findall(Attended, ( between(0, Last, T), numlist(0, T, Attended) ), Causal),
    Attend =.. [attend|Causal],
    Shape = shape(1, 4, 16, Block, Vocabulary, Activation, Attend),
    matrices(Shape, Matrices),
    foldl(draw_matrix(Sigma, OutputSigma), Matrices, Drawn, Twister1, Twister2),
    append(Drawn, Ps),
    same_length(Ps, Zeros),
    maplist(=(0.0), Zeros),
    length(Documents, DocumentCount),
    length(Ps, Count),
    say(Say, "num docs: ~d", [DocumentCount]),
    say(Say, "vocab size: ~d", [Vocabulary]),
    say(Say, "num params: ~d", [Count]),
    Adam = adam(_, _, _, _, _, Steps),
    steps(0, Steps, Documents, Documents, Points, Shape, Adam, Say, before(Ps, Zeros, Zeros), Trained),
    say(Say, "", []),
    say(Say, "--- inference (new, hallucinated names) ---", []),
    Trained = before(TrainedPs, _, _),
    model(Shape, TrainedPs, Model, 0, _),
    Table =.. [points|Points],
    samples(1, Samples, Model, Count, Table, Say, Twister2, Twister).

draw_matrix(Sigma, OutputSigma, matrix(Name, Rows, Columns), Drawn) -->
    { ( memberchk(Name, ['layer0.attn_wo', 'layer0.mlp_fc2']) -> Own = OutputSigma ; Own = Sigma ),
      Count is Rows * Columns,
      length(Drawn, Count) },
    foldl(gauss(Own), Drawn).

say(Say, Format, Arguments) :- format(codes(Line), Format, Arguments), call(Say, Line).

steps(Steps, Steps, _, _, _, _, _, _, Before, Before) :- !.
steps(Step, Steps, [], All, Points, Shape, Adam, Say, Before, Trained) :- !,
    steps(Step, Steps, All, All, Points, Shape, Adam, Say, Before, Trained).
steps(Step, Steps, [Document|Documents], All, Points, Shape, Adam, Say, Before, Trained) :-
    encode(Points, [Document], [Tokens]),
    advance(Shape, Adam, Step-Tokens, Before, after(_, Ms, Vs, Ps), Loss),
    Next is Step + 1,
    decimals(Loss, Decimals),
    say(Say, "step ~t~d~9| / ~|~t~d~4+ | loss ~w", [Next, Steps, Decimals]),
    steps(Next, Steps, Documents, All, Points, Shape, Adam, Say, before(Ps, Ms, Vs), Trained).

samples(I, Samples, _, _, _, _) --> { I > Samples }, !.
samples(I, Samples, Model, Count, Table, Say) -->
    sample(Model, Count, 0.5, Draws),
    { functor(Table, _, Bos),
      findall(Point, ( member(drawn(_, Token), Draws), Token < Bos, Place is Token + 1, arg(Place, Table, Point) ), Text),
      format(codes(Line, Text), "sample ~t~d~9|: ", [I]),
      call(Say, Line),
      I1 is I + 1 },
    samples(I1, Samples, Model, Count, Table, Say).
