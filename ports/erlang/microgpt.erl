%% A function for each verb, from a request's lines to the lines of its reply; the session that asks them, each
%% request in a process of its own; and the command for people.
-module(microgpt).

-export([main/0]).

-import(protocol, [refuse/1, refuse/2, fields/2, values/2, while_key/3, finish/1, integer/2, double/0, double/1]).
-import(protocol, [line/2, tensor_lines/4, matrix_lines/3, checksum/2]).

-include("model.hrl").

verbs() ->
    [
        {<<"hello">>, fun hello/1},
        {<<"arith">>, fun arith/1},
        {<<"math">>, fun functions/1},
        {<<"random">>, fun random/1},
        {<<"tokens">>, fun tokens/1},
        {<<"graph">>, fun graph/1},
        {<<"forward">>, fun forward/1},
        {<<"backward">>, fun backward/1},
        {<<"adam">>, fun adam/1},
        {<<"train">>, fun train/1},
        {<<"sample">>, fun sample/1},
        {<<"run">>, fun run/1}
    ].

hello(Lines) ->
    finish(Lines),
    {Verbs, _} = lists:unzip(verbs()),
    [line("name", ["erlang"]), line("protocol", [1]), line("verbs", Verbs), line("math", ["exact"])].

%% What Read makes of each line; there must be one.
each_line(_, []) -> refuse("the request ends too early");
each_line(Read, Lines) -> [Read(protocol:words(Line)) || Line <- Lines].

arith(Lines) -> each_line(fun([Key | Values]) -> line(Key, arith(Key, lists:map(double(), Values))) end, Lines).

arith(<<"add">>, [X, Y]) -> [ieee:add(X, Y)];
arith(<<"sub">>, [X, Y]) -> [ieee:subtract(X, Y)];
arith(<<"mul">>, [X, Y]) -> [ieee:multiply(X, Y)];
arith(<<"div">>, [X, Y]) -> [ieee:divide(X, Y)];
arith(<<"sqrt">>, [X]) -> [ieee:sqrt(X)];
arith(<<"muladd">>, [X, Y, Z]) -> [ieee:add(ieee:multiply(X, Y), Z)];
arith(<<"sum">>, [_ | _] = Xs) -> [lists:foldl(fun(X, Sum) -> ieee:add(Sum, X) end, 0.0, Xs)];
arith(<<"dot">>, [_ | _] = Xs) -> [dot(Xs, 0.0)];
arith(<<"decimals">>, [X]) when is_float(X), abs(X) > 9007199254740992.0 -> refuse("decimals takes |x| up to 2^53");
arith(<<"decimals">>, [X]) -> exact:decimals(X);
arith(_, _) -> refuse("an unknown operation, or operands that it does not take").

dot([X, Y | Others], Sum) -> dot(Others, ieee:add(Sum, ieee:multiply(X, Y)));
dot([], Sum) -> Sum;
dot([_], _) -> refuse("dot takes pairs").

math() ->
    Choose = fun
        (<<"exact">>) -> exact;
        (<<"native">>) -> refuse("unsupported");
        (_) -> refuse("math is exact or native")
    end,
    {<<"math">>, Choose}.

functions(Lines) ->
    {_, Calls} = fields([math()], Lines),
    each_line(fun([Key | Values]) -> line(Key, [function(Key, Values)]) end, Calls).

function(<<"exp">>, [X]) -> exact:exp(double(X));
function(<<"log">>, [X]) -> exact:log(double(X));
function(<<"sin">>, [X]) -> exact:sin(angle(X));
function(<<"cos">>, [X]) -> exact:cos(angle(X));
function(<<"pow">>, [X, Y]) -> exact:pow(double(X), (protocol:exponent(4096))(Y));
function(_, _) -> refuse("an unknown function, or arguments that it does not take").

angle(Word) ->
    case double(Word) of
        X when X =:= nan; abs(X) =< 8.0 -> X;
        _ -> refuse("sin and cos take |x| up to 8")
    end.

random(Lines) ->
    {[_, Seed], Draws} = fields([math(), {<<"seed">>, integer(0, 16#ffffffff)}], Lines),
    Draw = fun(Line, Generator) ->
        [Key | Values] = protocol:words(Line),
        draw(Key, Values, Generator)
    end,
    Draws =:= [] andalso refuse("the request ends too early"),
    {Reply, _} = lists:mapfoldl(Draw, twister:seeded(Seed), Draws),
    Reply.

draw(<<"words">> = Key, [N], Generator) ->
    draws(Key, N, fun twister:word/1, Generator);
draw(<<"random">> = Key, [N], Generator) ->
    draws(Key, N, fun twister:random/1, Generator);
draw(<<"gauss">> = Key, [N, Word], Generator) ->
    Sigma = double(Word),
    draws(Key, N, fun(G) -> twister:gauss(Sigma, G) end, Generator);
draw(<<"shuffle">> = Key, [N], Generator) ->
    Items = lists:seq(0, (integer(0, 10000))(N) - 1),
    {Shuffled, Next} = twister:shuffle(Items, Generator),
    {line(Key, Shuffled), Next};
draw(<<"choices">> = Key, [N, _ | _] = [_ | Words], Generator) when length(Words) =< 1000 ->
    Weights = lists:map(double(), Words),
    draws(Key, N, fun(G) -> twister:choice(Weights, G) end, Generator);
draw(<<"state">> = Key, [], G) ->
    {[line(Key, [twister:index(G) | twister:words(G)]), line("kept", [kept(twister:kept(G))])], G};
draw(_, _, _) ->
    refuse("an unknown draw, or values that it does not take").

draws(Key, N, Draw, Generator) ->
    Count = (integer(0, 1000))(N),
    {Drawn, Next} = lists:mapfoldl(fun(_, G) -> Draw(G) end, Generator, lists:seq(1, Count)),
    {line(Key, Drawn), Next}.

kept(none) -> "none";
kept(Z) -> Z.

%% The last lines of a request.
dataset(Lines) ->
    Line = fun
        (Points) when length(Points) > 10000 -> refuse("a line of text has up to 10000 code points");
        (Points) -> lists:map(fun protocol:code_point/1, Points)
    end,
    {Dataset, Others} = while_key(<<"line">>, Line, Lines),
    finish(Others),
    Dataset.

tokens(Lines) ->
    Documents = model:documents(dataset(Lines)),
    Vocabulary = model:vocabulary(Documents),
    [
        line("documents", [length(Documents)]),
        line("vocabulary", Vocabulary),
        line("bos", [length(Vocabulary)]),
        [line("encoded", model:encode(Vocabulary, Document)) || Document <- Documents]
    ].

graph(Lines) ->
    {_, Expressions} = fields([math()], Lines),
    {Nodes, Root} = expressions(Expressions, #{}),
    graph:backward(Root),
    All = [map_get(I, Nodes) || I <- lists:seq(0, map_size(Nodes) - 1)],
    [
        [line("value", [graph:value(Node)]) || Node <- All],
        [line("gradient", [graph:gradient(Node)]) || Node <- All]
    ].

expressions([], _) ->
    refuse("the request ends too early");
expressions([Line | Lines], Nodes) ->
    Count = map_size(Nodes),
    Node = fun(Word) -> map_get((integer(0, Count - 1))(Word), Nodes) end,
    case protocol:words(Line) of
        [<<"root">>, A] ->
            finish(Lines),
            {Nodes, Node(A)};
        [Key | Values] ->
            expressions(Lines, Nodes#{Count => expression(Key, Values, Node)})
    end.

expression(<<"leaf">>, [X], _) -> graph:leaf(double(X));
expression(<<"add">>, [A, B], Node) -> graph:add(Node(A), Node(B));
expression(<<"sub">>, [A, B], Node) -> graph:add(Node(A), graph:neg(Node(B)));
expression(<<"mul">>, [A, B], Node) -> graph:mul(Node(A), Node(B));
expression(<<"div">>, [A, B], Node) -> graph:mul(Node(A), graph:pow(Node(B), -1.0));
expression(<<"sum">>, [A | Bs], Node) ->
    lists:foldl(fun(B, Sum) -> graph:add(Sum, Node(B)) end, graph:shift(Node(A), 0.0), Bs);
expression(<<"neg">>, [A], Node) -> graph:neg(Node(A));
expression(<<"exp">>, [A], Node) -> graph:exp(Node(A));
expression(<<"log">>, [A], Node) -> graph:log(Node(A));
expression(<<"relu">>, [A], Node) -> graph:relu(Node(A));
expression(<<"pow">>, [A, C], Node) -> graph:pow(Node(A), (protocol:exponent(1024))(C));
expression(<<"add_number">>, [A, C], Node) -> graph:shift(Node(A), double(C));
expression(<<"sub_number">>, [A, C], Node) -> graph:shift(Node(A), ieee:negate(double(C)));
expression(<<"mul_number">>, [A, C], Node) -> graph:scale(Node(A), double(C));
expression(<<"div_number">>, [A, C], Node) -> graph:divided(Node(A), double(C));
expression(<<"number_sub">>, [C, A], Node) -> graph:shift(graph:neg(Node(A)), double(C));
expression(<<"number_div">>, [C, A], Node) -> graph:scale(graph:pow(Node(A), -1.0), double(C));
expression(_, _, _) -> refuse("an unknown expression, or operands that it does not take").

shape(Lines) ->
    Activation = protocol:choice(#{<<"relu">> => relu, <<"squared_relu">> => squared_relu}),
    Keys = [
        math(),
        {<<"layers">>, integer(1, 16)},
        {<<"heads">>, integer(1, 64)},
        {<<"embedding">>, integer(1, 512)},
        {<<"block">>, integer(1, 1024)},
        {<<"vocabulary">>, integer(2, 2048)},
        {<<"activation">>, Activation}
    ],
    {[_, Layers, Heads, Embedding, Block, Vocabulary, Activate], Left} = fields(Keys, Lines),
    Embedding rem Heads =:= 0 orelse refuse("embedding must be a multiple of heads"),
    {Attention, Others} = lists:mapfoldl(fun attention/2, Left, lists:seq(0, Block - 1)),
    Shape = #shape{
        layers = Layers,
        heads = Heads,
        embedding = Embedding,
        block = Block,
        vocabulary = Vocabulary,
        activation = Activate,
        attention = list_to_tuple(Attention)
    },
    {Shape, Others}.

attention(Position, Lines) ->
    {Words, Others} = values(<<"attend">>, Lines),
    Attended = lists:map(integer(0, Position), Words),
    Attended =:= lists:usort([Position | Attended]) orelse
        refuse("position ~b must attend to increasing positions, itself the last", [Position]),
    {Attended, Others}.

%% A reader of documents.
document(#shape{vocabulary = Vocabulary}) ->
    fun
        ([_, _ | _] = Words) -> lists:map(integer(0, Vocabulary - 1), Words);
        (_) -> refuse("a document has two or more tokens")
    end.

model_and_document(Lines) ->
    {Shape, Lines1} = shape(Lines),
    {Words, Lines2} = values(<<"tokens">>, Lines1),
    Document = (document(Shape))(Words),
    {Parameters, Lines3} = protocol:matrices(Shape, "", Lines2),
    finish(Lines3),
    {Shape, model:new(Shape, Parameters), Document}.

%% The activations are sent to this very process, and taken from its mailbox in their order.
forward(Lines) ->
    {_, Model, Document} = model_and_document(Lines),
    Watch = fun(Place, Name, Nodes) -> self() ! {activation, Place, Name, Nodes} end,
    Loss = model:loss(Model, Document, Watch),
    [activations(), line("loss", [graph:value(Loss)])].

activations() ->
    receive
        {activation, Place, Name, Nodes} ->
            Parts = [[Kind, integer_to_list(I), "."] || {Kind, I} <- place(Place)],
            [tensor_lines([Parts, Name], 1, length(Nodes), lists:map(fun graph:value/1, Nodes)) | activations()]
    after 0 -> []
    end.

place(Numbers) -> lists:zip(lists:sublist(["pos", "layer", "head"], length(Numbers)), Numbers).

backward(Lines) ->
    {Shape, Model, Document} = model_and_document(Lines),
    Loss = model:loss(Model, Document),
    graph:backward(Loss),
    Gradients = lists:map(fun graph:gradient/1, model:leaves(Model)),
    [line("loss", [graph:value(Loss)]), matrix_lines(Shape, "", Gradients)].

settings(Lines) ->
    Schedule = protocol:choice(#{<<"linear">> => linear, <<"cosine">> => cosine}),
    Doubles = [{Key, double()} || Key <- [<<"learning_rate">>, <<"beta1">>, <<"beta2">>, <<"epsilon">>]],
    Keys = Doubles ++ [{<<"schedule">>, Schedule}, {<<"steps">>, integer(1, 4096)}],
    {Values, Others} = fields(Keys, Lines),
    {list_to_tuple([settings | Values]), Others}.

adam(Lines) ->
    {_, Lines1} = fields([math()], Lines),
    {Settings, Lines2} = settings(Lines1),
    {[Step], Lines3} = fields([{<<"step">>, integer(0, Settings#settings.steps - 1)}], Lines2),
    {Parameters, Rows, Columns, Lines4} = protocol:tensor("parameters", any, any, Lines3),
    Tensor = fun(Name, Left) ->
        {Doubles, _, _, Others} = protocol:tensor(Name, Rows, Columns, Left),
        {Doubles, Others}
    end,
    {[Gradients, M, V], Lines5} = lists:mapfoldl(Tensor, Lines4, ["gradients", "m", "v"]),
    finish(Lines5),
    {NewParameters, NewM, NewV} = model:update(Settings, Step, Parameters, Gradients, M, V),
    {Rate, Correction1, Correction2} = model:rates(Settings, Step),
    [
        line("rate", [Rate]),
        line("correction1", [Correction1]),
        line("correction2", [Correction2]),
        tensor_lines("m", Rows, Columns, NewM),
        tensor_lines("v", Rows, Columns, NewV),
        tensor_lines("parameters", Rows, Columns, NewParameters)
    ].

train(Lines) ->
    {Shape, Lines1} = shape(Lines),
    {#settings{steps = Steps} = Settings, Lines2} = settings(Lines1),
    {[From], Lines3} = fields([{<<"from">>, integer(0, Steps - 1)}], Lines2),
    {[Count], Lines4} = fields([{<<"count">>, integer(1, Steps - From)}], Lines3),
    {Words, Lines5} = values(<<"full">>, Lines4),
    Full = lists:map(integer(From, From + Count - 1), Words),
    Full =:= lists:usort(Full) orelse refuse("the steps of full must increase"),
    {Documents, Lines6} = while_key(<<"tokens">>, document(Shape), Lines5),
    Documents =:= [] andalso refuse("expected a line tokens"),
    {Parameters, Lines7} = protocol:matrices(Shape, "", Lines6),
    {[M, V], Lines8} = lists:mapfoldl(
        fun
            (_, Left) when From =:= 0 -> {[0.0 || _ <- Parameters], Left};
            (Prefix, Left) -> protocol:matrices(Shape, Prefix, Left)
        end,
        Lines7,
        ["m.", "v."]
    ),
    finish(Lines8),
    Train = fun(Step, {Model, M1, V1}) ->
        Document = lists:nth(Step rem length(Documents) + 1, Documents),
        {Loss, Gradients, Model2, M2, V2} = model:train_step(Model, Settings, Step, Document, M1, V1),
        Updated = lists:map(fun graph:value/1, model:leaves(Model2)),
        All = [{"gradients", Gradients}, {"m", M2}, {"v", V2}, {"parameters", Updated}],
        Reply = [
            line("step", [Step]),
            line("loss", [Loss]),
            [checksum(Key, Doubles) || {Key, Doubles} <- All],
            [matrix_lines(Shape, Key ++ ".", Doubles) || {Key, Doubles} <- All, lists:member(Step, Full)]
        ],
        {iolist_to_binary(Reply), {Model2, M2, V2}}
    end,
    Start = {model:new(Shape, Parameters), M, V},
    {Reply, _} = lists:mapfoldl(Train, Start, lists:seq(From, From + Count - 1)),
    Reply.

sample(Lines) ->
    {Shape, Lines1} = shape(Lines),
    Keys = [{<<"temperature">>, double()}, {<<"samples">>, integer(0, 1000)}],
    {[Temperature, Samples], Lines2} = fields(Keys, Lines1),
    {Parameters, Lines3} = protocol:matrices(Shape, "", Lines2),
    {State, Lines4} = values(<<"state">>, Lines3),
    length(State) =:= 625 orelse refuse("state takes an index and 624 words"),
    Index = (integer(0, 624))(hd(State)),
    Words = lists:map(integer(0, 16#ffffffff), tl(State)),
    Kept = fun
        (<<"none">>) -> none;
        (Word) -> double(Word)
    end,
    {[Z], Lines5} = fields([{<<"kept">>, Kept}], Lines4),
    finish(Lines5),
    Model = model:new(Shape, Parameters),
    Drawn = fun(Probabilities, Token) ->
        self() ! {said, [line("probabilities", Probabilities), line("token", [Token])]}
    end,
    Sample = fun(Number, Generator) ->
        {_, Next} = model:sample(Model, Temperature, Generator, Drawn),
        {[line("sample", [Number]), said()], Next}
    end,
    {Reply, Generator} = lists:mapfoldl(Sample, twister:restored(Index, Words, Z), lists:seq(0, Samples - 1)),
    {Word, _} = twister:word(Generator),
    [Reply, line("word", [Word])].

%% What this process has told itself since the last time.
said() ->
    receive
        {said, Lines} -> [Lines | said()]
    after 0 -> []
    end.

run(Lines) ->
    Presets = maps:from_list([{list_to_binary(Name), Preset} || {Name, Preset} <- maps:to_list(model:presets())]),
    Keys = [
        math(),
        {<<"preset">>, protocol:choice(Presets)},
        {<<"steps">>, integer(1, 4096)},
        {<<"samples">>, integer(0, 1000)}
    ],
    {[_, Preset, Steps, Samples], Left} = fields(Keys, Lines),
    Say = fun(Text) -> self() ! {said, line("print", Text)} end,
    {Parameters, M, V, Generator} = model:run(Preset, Steps, Samples, dataset(Left), Say),
    {Word, _} = twister:word(Generator),
    Checksums = [checksum("parameters", Parameters), checksum("m", M), checksum("v", V)],
    [said(), Checksums, line("word", [Word])].

%% The reply to one request without its end. A process of its own answers it, and takes all that it used along.
answer(Lines, Complete) ->
    {Process, Monitor} = spawn_monitor(fun() -> exit({reply, reply(Lines, Complete)}) end),
    receive
        {'DOWN', Monitor, process, Process, {reply, Reply}} -> Reply
    end.

reply(Lines, Complete) ->
    Header = "^([!-~]+) ([A-Za-z0-9._-]{1,64})$",
    Options = [{capture, all_but_first, binary}, dollar_endonly],
    case Lines =/= [] andalso byte_size(hd(Lines)) =< 65536 andalso re:run(hd(Lines), Header, Options) of
        {match, [Verb, Id]} ->
            try
                Complete orelse refuse("the input ended before the line end"),
                {_, Answer} = found(lists:keyfind(Verb, 1, verbs())),
                iolist_to_binary([line("ok", [Id]), Answer(tl(Lines))])
            catch
                throw:{refused, Reason} -> iolist_to_binary(["error ", Id, " ", Reason, "\n"])
            end;
        _ ->
            <<"error - expected a verb and an id\n">>
    end.

found(false) -> refuse("unsupported");
found(Verb) -> Verb.

%% Standard input and output, as a port that sends what comes as messages.
standard() -> open_port({fd, 0, 1}, [binary, stream, eof]).

serve(Port, Begun, Request) ->
    receive
        {Port, {data, Data}} ->
            [Rest | Lines] = lines(Begun, Data),
            serve(Port, Rest, lists:foldl(fun(Line, Before) -> line(Port, Line, Before) end, Request, Lines));
        {Port, eof} ->
            case [Last || Last <- [iolist_to_binary(Begun)], Last =/= <<>>] ++ Request of
                [] -> ok;
                [<<"end">> | Lines] -> send(Port, Lines, true);
                Lines -> send(Port, Lines, false)
            end
    end.

%% The beginning of an unfinished line, then the finished lines in order.
lines(Begun, Data) ->
    case binary:split(Data, <<"\n">>, [global]) of
        [_] -> [[Begun, Data]];
        [First | Others] -> [lists:last(Others), iolist_to_binary([Begun, First]) | lists:droplast(Others)]
    end.

line(Port, <<"end">>, Before) ->
    send(Port, Before, true),
    [];
line(_, Line, Before) ->
    [Line | Before].

send(Port, Reversed, Complete) -> port_command(Port, [answer(lists:reverse(Reversed), Complete), "end\n"]).

command(Name) ->
    Preset = maps:get(Name, model:presets(), none),
    Preset =/= none orelse refuse("the presets are seed and classic"),
    Port = standard(),
    case unicode:characters_to_list(all(Port, [])) of
        Text when is_list(Text) ->
            Lines = string:split(Text, "\n", all),
            Say = fun(Line) -> port_command(Port, unicode:characters_to_binary([Line, "\n"])) end,
            #{settings := #settings{steps = Steps}} = Preset,
            model:run(Preset, Steps, 20, Lines, Say);
        _ ->
            refuse("the input is not UTF-8")
    end.

all(Port, Chunks) ->
    receive
        {Port, {data, Data}} -> all(Port, [Data | Chunks]);
        {Port, eof} -> iolist_to_binary(lists:reverse(Chunks))
    end.

main() ->
    try
        case init:get_plain_arguments() of
            [] -> serve(standard(), [], []);
            ["run"] -> command("seed");
            ["run", Name] -> command(Name);
            _ -> refuse("usage: microgpt [run [seed|classic]]")
        end,
        halt(0)
    catch
        throw:{refused, Reason} ->
            io:format(standard_error, "~s~n", [Reason]),
            halt(1)
    end.
