:- use_module(exact).
:- use_module(graph).
:- use_module(model).
:- use_module(protocol).
:- use_module(refuse).
:- use_module(training).
:- use_module(twister).

/** <module> The port prolog of microgpt: a grammar for each verb, which writes the reply (SPEC, section 12)
*/

:- initialization(main, main).

verbs([hello, arith, math, random, tokens, graph, forward, backward, adam, train, sample, run]).

verb(hello) --> finish, { verbs(Verbs), put(name, [prolog]), put(protocol, [1]), put(verbs, Verbs), put(math, [exact]) }.

verb(arith) --> each(arith).
verb(math) --> math, each(function).

verb(random) -->
    math,
    one("seed", integer_in(0, 0xffffffff), Seed),
    { seeded(Seed, _, Twister) },
    each(draw, Twister, _).

verb(tokens) -->
    dataset(Lines),
    { documents(Lines, Documents),
      vocabulary(Documents, Points),
      length(Documents, Count),
      length(Points, Bos),
      put(documents, [Count]),
      put(vocabulary, Points),
      put(bos, [Bos]),
      encode(Points, Documents, Encoded),
      maplist(put(encoded), Encoded) }.

verb(graph) -->
    math,
    lines(Lines),
    { length(Lines, Length), functor(Table, nodes, Length) },
    expressions(0, Count, Table, 0, Total, Root),
    finish,
    { backward(Root, Total, Gradients),
      forall(( between(1, Count, I), arg(I, Table, Node), value(Node, X) ), put_doubles(value, [X])),
      forall(( between(1, Count, I), arg(I, Table, Node), gradient(Gradients, Node, G) ), put_doubles(gradient, [G])) }.

verb(forward) -->
    model_and_document(Shape, Parameters, Document),
    { model(Shape, Parameters, Model, 0, Count0),
      loss(Model, Document, Loss, Seen, Count0, _),
      put_activations('', Seen),
      value(Loss, X),
      put_doubles(loss, [X]) }.

verb(backward) -->
    model_and_document(Shape, Parameters, Document),
    { model(Shape, Parameters, Model, 0, Count0),
      loss(Model, Document, Loss, _, Count0, Count),
      backward(Loss, Count, Gradients),
      value(Loss, X),
      put_doubles(loss, [X]),
      Model = model(_, Leaves, _, _, _, _),
      maplist(gradient(Gradients), Leaves, Gs),
      put_tensors(Shape, '', Gs) }.

verb(adam) -->
    math,
    settings(Adam, Steps),
    { Last is Steps - 1 },
    one("step", integer_in(0, Last), Step),
    tensor(parameters, Rows, Columns, Ps0),
    tensor(gradients, Rows, Columns, Gs),
    tensor(m, Rows, Columns, Ms0),
    tensor(v, Rows, Columns, Vs0),
    finish,
    { factors(Adam, Step, factors(Rate, Correction1, Correction2)),
      update(Adam, Step, Gs, before(Ps0, Ms0, Vs0), Ps, Ms, Vs),
      put_doubles(rate, [Rate]),
      put_doubles(correction1, [Correction1]),
      put_doubles(correction2, [Correction2]),
      forall(member(Name-Xs, [m-Ms, v-Vs, parameters-Ps]), put_tensor(Name, Rows, Columns, Xs)) }.

verb(train) -->
    shape(Shape),
    settings(Adam, Steps),
    { LastFrom is Steps - 1 },
    one("from", integer_in(0, LastFrom), From),
    { Most is Steps - From },
    one("count", integer_in(1, Most), Count),
    key("full", FullWords),
    { Last is From + Count - 1, increasing(From, Last, FullWords, Full) },
    many("tokens", document(Shape), Documents),
    tensors(Shape, '', Ps),
    (   { From =:= 0 }
    ->  { same_length(Ps, Ms), maplist(=(0.0), Ms), Vs = Ms }
    ;   tensors(Shape, 'm.', Ms),
        tensors(Shape, 'v.', Vs)
    ),
    finish,
    { Table =.. [documents|Documents],
      numlist(From, Last, AllSteps),
      foldl(train_step(Shape, Adam, Table, Full), AllSteps, before(Ps, Ms, Vs), _) }.

verb(sample) -->
    shape(Shape),
    one("temperature", double, Temperature),
    one("samples", integer_in(0, 1000), Samples),
    tensors(Shape, '', Parameters),
    key("state", State),
    { length(State, 625) -> true ; refuse("state takes an index and 624 words") },
    { State = [IndexWord|Words],
      integer_in(0, 624, IndexWord, Index),
      maplist(integer_in(0, 0xffffffff), Words, Integers) },
    one("kept", kept, Kept),
    finish,
    { restored(Index, Integers, Kept, _, Twister0),
      model(Shape, Parameters, Model, 0, Count),
      Last is Samples - 1,
      ( Samples > 0 -> numlist(0, Last, Numbers) ; Numbers = [] ),
      foldl(put_sample(Model, Count, Temperature), Numbers, Twister0, Twister),
      word(Word, Twister, _),
      put(word, [Word]) }.

verb(run) -->
    math,
    one("preset", known_preset, preset(Block, Activation, Sigma, OutputSigma, Settings)),
    one("steps", integer_in(1, 4096), Steps),
    one("samples", integer_in(0, 1000), Samples),
    dataset(Lines),
    { Settings = adam(Rate, Beta1, Beta2, Epsilon, Schedule, _),
      Preset = preset(Block, Activation, Sigma, OutputSigma, adam(Rate, Beta1, Beta2, Epsilon, Schedule, Steps)),
      run(Preset, Samples, Lines, put(print), Twister, before(Ps, Ms, Vs)),
      forall(member(Key-Xs, [parameters-Ps, m-Ms, v-Vs]), put_checksum(Key, Xs)),
      word(Word, Twister, _),
      put(word, [Word]) }.

% arith and math

arith("decimals", [Word]) :- !,
    double(Word, X),
    ( abs(X) > 2.0 ** 53, \+ is_inf(X) -> refuse("decimals takes |x| up to 2^53") ; true ),
    decimals(X, Text),
    atom_codes(Text, Codes),
    put(decimals, Codes).
arith(Key, Words) :-
    maplist(double, Words, Xs),
    (   result(Key, Xs, X)
    ->  put_doubles(Key, [X])
    ;   refuse("an unknown operation, or operands that it does not take")
    ).

result("add", [X, Y], Z) :- Z is X + Y.
result("sub", [X, Y], Z) :- Z is X - Y.
result("mul", [X, Y], Z) :- Z is X * Y.
result("div", [X, Y], Z) :- over(X, Y, Z).
result("sqrt", [X], Z) :- ( X =:= 0 -> Z = X ; Z is sqrt(X) ).
result("muladd", [X, Y, Z], Sum) :- Sum is X * Y + Z.
result("sum", [X|Xs], Sum) :- foldl(sum, [X|Xs], 0.0, Sum).
result("dot", [X, Y|XYs], Sum) :- pairs([X, Y|XYs], 0.0, Sum).

sum(X, Sum0, Sum) :- Sum is Sum0 + X.

pairs([], Sum, Sum).
pairs([X, Y|XYs], Sum0, Sum) :- Sum1 is Sum0 + X * Y, pairs(XYs, Sum1, Sum).

function(Key, Words) :-
    (   function(Key, Words, X)
    ->  put_doubles(Key, [X])
    ;   refuse("an unknown function, or arguments that it does not take")
    ).

function("exp", [Word], Y) :- double(Word, X), exp_of(X, Y).
function("log", [Word], Y) :- double(Word, X), log_of(X, Y).
function("sin", [Word], Y) :- angle(Word, X), sin_of(X, Y).
function("cos", [Word], Y) :- angle(Word, X), cos_of(X, Y).
function("pow", [A, B], Z) :- double(A, X), exponent(4096, B, Y), pow(X, Y, Z).

angle(Word, X) :-
    double(Word, X),
    ( abs(X) > 8 -> refuse("sin and cos take |x| up to 8") ; true ).

% random

draw(Key, Words, Twister0, Twister) :-
    (   drawing(Key, Words, Rule, Put)
    ->  call(Rule, Values, Twister0, Twister),
        call(Put, Key, Values)
    ;   Key == "state", Words == []
    ->  state(Index, State, Kept, Twister0, Twister),
        put(state, [Index|State]),
        ( Kept == none -> put(kept, [none]) ; put_doubles(kept, [Kept]) )
    ;   refuse("an unknown draw, or values that it does not take")
    ).

%   What a line draws: a rule for the values, and how they are put.
drawing("words", [N], repeated(Count, word), put) :- integer_in(0, 1000, N, Count).
drawing("random", [N], repeated(Count, random), put_doubles) :- integer_in(0, 1000, N, Count).
drawing("gauss", [N, S], repeated(Count, gauss(Sigma)), put_doubles) :- integer_in(0, 1000, N, Count), double(S, Sigma).
drawing("shuffle", [N], shuffle(Items), put) :-
    integer_in(0, 10000, N, Count),
    Last is Count - 1,
    findall(I, between(0, Last, I), Items).
drawing("choices", [N, W|Words], repeated(Count, choice(Weights)), put) :-
    length([W|Words], Length),
    Length =< 1000,
    integer_in(0, 1000, N, Count),
    maplist(double, [W|Words], Weights).

repeated(Count, Draw, Values) --> { length(Values, Count) }, foldl(Draw, Values).

% tokens and graph

dataset(Lines) --> many("line", text, Lines), finish.

text(Words, Points) :-
    length(Words, Length),
    ( Length > 10000 -> refuse("a line has up to 10000 code points") ; true ),
    maplist(code_point, Words, Points).

lines(Lines, Lines, Lines).

%   The table has as many variables as there may be nodes; those after number Count are unbound. It threads the ids.
expressions(Count0, Count, Table, Id0, Id, Root) -->
    next(Key, Words),
    (   { Key == "root", Words = [Word] }
    ->  { operand(Table, Count0, Word, Root), Count = Count0, Id = Id0 }
    ;   { Count1 is Count0 + 1,
          (   expression(Key, Words, operand(Table, Count0), Node, Id0, Id1)
          ->  arg(Count1, Table, Node)
          ;   refuse("an unknown expression, or operands that it does not take")
          ) },
        expressions(Count1, Count, Table, Id1, Id, Root)
    ).

operand(Table, Count, Word, Node) :-
    Last is Count - 1,
    integer_in(0, Last, Word, I),
    Place is I + 1,
    arg(Place, Table, Node).

expression("leaf", [X], _, N) --> { double(X, V) }, leaf(V, N).
expression("add", [A, B], Node, N) --> { call(Node, A, X), call(Node, B, Y) }, add(X, Y, N).
expression("sub", [A, B], Node, N) --> { call(Node, A, X), call(Node, B, Y) }, negate(Y, Z), add(X, Z, N).
expression("mul", [A, B], Node, N) --> { call(Node, A, X), call(Node, B, Y) }, multiply(X, Y, N).
expression("div", [A, B], Node, N) --> { call(Node, A, X), call(Node, B, Y) }, power(-1.0, Y, Z), multiply(X, Z, N).
expression("sum", [A|Bs], Node, N) -->
    { call(Node, A, X), maplist(Node, Bs, Ys) },
    add_number(0.0, X, Start),
    add_all(Ys, Start, N).
expression("neg", [A], Node, N) --> { call(Node, A, X) }, negate(X, N).
expression("exp", [A], Node, N) --> { call(Node, A, X) }, exponential(X, N).
expression("log", [A], Node, N) --> { call(Node, A, X) }, logarithm(X, N).
expression("relu", [A], Node, N) --> { call(Node, A, X) }, relu(X, N).
expression("pow", [A, Word], Node, N) --> { call(Node, A, X), exponent(1024, Word, C) }, power(C, X, N).
expression("add_number", [A, Word], Node, N) --> { call(Node, A, X), double(Word, C) }, add_number(C, X, N).
expression("sub_number", [A, Word], Node, N) --> { call(Node, A, X), double(Word, C), D is -C }, add_number(D, X, N).
expression("mul_number", [A, Word], Node, N) --> { call(Node, A, X), double(Word, C) }, scale(C, X, N).
expression("div_number", [A, Word], Node, N) --> { call(Node, A, X), double(Word, C) }, divide(C, X, N).
expression("number_sub", [Word, A], Node, N) --> { call(Node, A, X), double(Word, C) }, negate(X, Y), add_number(C, Y, N).
expression("number_div", [Word, A], Node, N) --> { call(Node, A, X), double(Word, C) }, power(-1.0, X, Y), scale(C, Y, N).

add_all([], N, N) --> [].
add_all([X|Xs], Sum, N) --> add(Sum, X, Next), add_all(Xs, Next, N).

% Models and training

shape(shape(Layers, Heads, Embedding, Block, Vocabulary, Activation, Attend)) -->
    math,
    one("layers", integer_in(1, 16), Layers),
    one("heads", integer_in(1, 64), Heads),
    one("embedding", integer_in(1, 512), Embedding),
    { Embedding mod Heads =:= 0 -> true ; refuse("embedding must be a multiple of heads") },
    one("block", integer_in(1, 1024), Block),
    one("vocabulary", integer_in(2, 2048), Vocabulary),
    one("activation", choice(["relu"-relu, "squared_relu"-squared_relu]), Activation),
    { Last is Block - 1, numlist(0, Last, Positions) },
    foldl(attended, Positions, Lists),
    { Attend =.. [attend|Lists] }.

attended(T, Attended) -->
    key("attend", Words),
    { increasing(0, T, Words, Attended),
      ( last(Attended, T) -> true ; refuse("position ~d must attend to itself", [T]) ) }.

document(shape(_, _, _, _, Vocabulary, _, _), Words, Tokens) :-
    ( Words = [_, _|_] -> true ; refuse("a document has two or more tokens") ),
    Bos is Vocabulary - 1,
    maplist(integer_in(0, Bos), Words, Tokens).

model_and_document(Shape, Parameters, Document) -->
    shape(Shape),
    key("tokens", Words),
    { document(Shape, Words, Document) },
    tensors(Shape, '', Parameters),
    finish.

settings(adam(Rate, Beta1, Beta2, Epsilon, Schedule, Steps), Steps) -->
    one("learning_rate", double, Rate),
    one("beta1", double, Beta1),
    one("beta2", double, Beta2),
    one("epsilon", double, Epsilon),
    one("schedule", choice(["linear"-linear, "cosine"-cosine]), Schedule),
    one("steps", integer_in(1, 4096), Steps).

put_activations(Prefix, Seen) :- forall(member(Item, Seen), put_activation(Prefix, Item)).

put_activation(Prefix, in(Part, Number, Seen)) :-
    format(atom(Longer), "~w~w~d.", [Prefix, Part, Number]),
    put_activations(Longer, Seen).
put_activation(Prefix, Name-Nodes) :-
    atom_concat(Prefix, Name, Full),
    length(Nodes, Length),
    maplist(value, Nodes, Xs),
    put_tensor(Full, 1, Length, Xs).

train_step(Shape, Adam, Documents, Full, Step, Before, before(Ps, Ms, Vs)) :-
    functor(Documents, _, Count),
    I is Step mod Count + 1,
    arg(I, Documents, Document),
    advance(Shape, Adam, Step-Document, Before, after(Gs, Ms, Vs, Ps), Loss),
    put(step, [Step]),
    put_doubles(loss, [Loss]),
    Results = [gradients-Gs, m-Ms, v-Vs, parameters-Ps],
    forall(member(Key-Xs, Results), put_checksum(Key, Xs)),
    (   memberchk(Step, Full)
    ->  forall(( member(Key-Xs, Results), atom_concat(Key, '.', Prefix) ), put_tensors(Shape, Prefix, Xs))
    ;   true
    ).

kept("none", none) :- !.
kept(Word, X) :- double(Word, X).

put_sample(Model, Count, Temperature, Number) -->
    sample(Model, Count, Temperature, Draws),
    { put(sample, [Number]),
      forall(member(drawn(Probabilities, Token), Draws),
             ( put_doubles(probabilities, Probabilities), put(token, [Token]) )) }.

known_preset(Name, Preset) :- ( preset(Name, Preset) -> true ; refuse("the presets are seed and classic") ).

% The session: lines are collected up to "end"; an answer is written when it is known.

%   The next line without its LF, or end_of_file.
next_line(Line) :-
    read_line_to_codes(user_input, Codes, []),
    (   Codes == []
    ->  Line = end_of_file
    ;   ( append(Bytes, `\n`, Codes) -> true ; Bytes = Codes ),
        string_codes(Line, Bytes)
    ).

serve(Before) :-
    next_line(Line),
    (   Line == end_of_file
    ->  ( Before == [] -> true ; send(Before, unfinished) )
    ;   Line == "end"
    ->  send(Before, complete),
        serve([])
    ;   serve([Line|Before])
    ).

send(Reversed, Completeness) :-
    reverse(Reversed, Lines),
    answer(Lines, Completeness, Reply),
    format("~send~n", [Reply]),
    flush_output.

answer([First|Lines], Completeness, Reply) :-
    header(First, Name, Id), !,
    catch(with_output_to(string(Reply), ( put(ok, [Id]), answer_lines(Completeness, Name, Lines) )),
          refused(Reason),
          format(string(Reply), "error ~w ~w~n", [Id, Reason])).
answer(_, _, "error - expected a verb and an id\n").

answer_lines(unfinished, _, _) :- refuse("the input ended before the line end").
answer_lines(complete, Name, Lines) :-
    verbs(Verbs),
    ( memberchk(Name, Verbs) -> phrase(verb(Name), Lines) ; refuse("unsupported") ).

header(Line, Verb, Id) :-
    string_length(Line, Length),
    Length =< 65536,
    catch(split_words(Line, [VerbWord, IdWord]), refused(_), fail),
    string_codes(VerbWord, [V|Vs]),
    forall(member(C, [V|Vs]), between(0'!, 0'~, C)),
    string_codes(IdWord, [I|Is]),
    length([I|Is], IdLength),
    IdLength =< 64,
    forall(member(C, [I|Is]), ( C < 128, ( code_type(C, alnum) ; memberchk(C, `._-`) ) )),
    atom_string(Verb, VerbWord),
    atom_string(Id, IdWord).

% The command for people.

command(Name) :-
    known_preset(Name, Preset),
    read_lines(Lines),
    set_stream(user_output, encoding(utf8)),
    run(Preset, 20, Lines, print_line, _, _).

read_lines(Lines) :-
    next_line(Line),
    (   Line == end_of_file
    ->  Lines = []
    ;   string_codes(Line, Bytes),
        ( phrase(utf8(Points), Bytes) -> true ; refuse("the input is not UTF-8") ),
        Lines = [Points|Rest],
        read_lines(Rest)
    ).

print_line(Line) :- format("~s~n", [Line]), flush_output.

utf8([Point|Points]) --> utf8_point(Point), !, utf8(Points).
utf8([]) --> [].

utf8_point(Point) --> [Point], { Point < 0x80 }, !.
utf8_point(Point) --> [First], { between(0xc0, 0xdf, First) }, !, more_bits(1, First /\ 0x1f, Point), { Point >= 0x80 }.
utf8_point(Point) -->
    [First],
    { between(0xe0, 0xef, First) }, !,
    more_bits(2, First /\ 0xf, Point),
    { Point >= 0x800, \+ between(0xd800, 0xdfff, Point) }.
utf8_point(Point) --> [First], { between(0xf0, 0xf7, First) }, more_bits(3, First /\ 7, Point), { between(0x10000, 0x10ffff, Point) }.

more_bits(0, Bits, Point) --> !, { Point is Bits }.
more_bits(N, Bits, Point) -->
    [Byte],
    { between(0x80, 0xbf, Byte), Longer is Bits << 6 \/ (Byte /\ 0x3f), N1 is N - 1 },
    more_bits(N1, Longer, Point).

main(Arguments) :-
    set_stream(user_input, encoding(octet)),
    set_stream(user_output, encoding(octet)),
    catch(start(Arguments),
          refused(Reason),
          ( format(user_error, "~w~n", [Reason]), halt(1) )).

start([]) :- !, serve([]).
start([run]) :- !, command("seed").
start([run, Name]) :- !, atom_string(Name, Word), command(Word).
start(_) :- refuse("usage: microgpt [run [seed|classic]]").
