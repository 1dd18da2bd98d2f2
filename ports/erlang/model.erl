%% The model, its training, samples, and a whole run.
-module(model).

-export([matrices/1, rows/3, new/2, leaves/1, loss/2, loss/3, sample/4]).
-export([rates/2, update/6, train_step/6]).
-export([documents/1, vocabulary/1, encode/2, presets/0, run/5]).

-include("model.hrl").

%% The parameters are a flat list of nodes, and for each matrix a list of its rows.
-record(model, {shape, nodes, weights}).

%% Name, rows and columns of every matrix of parameters, in order.
matrices(#shape{layers = Layers, embedding = E, block = Block, vocabulary = Vocabulary}) ->
    [{"wte", Vocabulary, E}, {"wpe", Block, E}, {"lm_head", Vocabulary, E}] ++
        [
            {lists:concat(["layer", Layer, ".", Name]), Rows, Columns}
         || Layer <- lists:seq(0, Layers - 1),
            {Name, Rows, Columns} <- [
                {"attn_wq", E, E},
                {"attn_wk", E, E},
                {"attn_wv", E, E},
                {"attn_wo", E, E},
                {"mlp_fc1", 4 * E, E},
                {"mlp_fc2", E, 4 * E}
            ]
        ].

%% Takes rows from a list: they, and what is left of it.
rows(Rows, Columns, Items) ->
    lists:mapfoldl(fun(_, Left) -> lists:split(Columns, Left) end, Items, lists:seq(1, Rows)).

new(Shape, Parameters) -> from_nodes(Shape, lists:map(fun graph:leaf/1, Parameters)).

from_nodes(Shape, Nodes) ->
    Cut = fun({_, Rows, Columns}, Left) -> rows(Rows, Columns, Left) end,
    {Weights, []} = lists:mapfoldl(Cut, Nodes, matrices(Shape)),
    #model{shape = Shape, nodes = Nodes, weights = Weights}.

leaves(#model{nodes = Nodes}) -> Nodes.

linear(X, Matrix) -> [graph:dot(Row, X) || Row <- Matrix].

rmsnorm(X) ->
    Mean = graph:divided(graph:dot(X, X), float(length(X))),
    Scale = graph:pow(graph:shift(Mean, 0.00001), -0.5),
    [graph:mul(A, Scale) || A <- X].

softmax([First | Others] = X) ->
    Greater = fun(A, Top) ->
        case ieee:greater(graph:value(A), Top) of
            true -> graph:value(A);
            false -> Top
        end
    end,
    Top = lists:foldl(Greater, graph:value(First), Others),
    Exps = [graph:exp(graph:shift(A, ieee:negate(Top))) || A <- X],
    graph:quotients(Exps, graph:sum(Exps)).

add(Xs, Ys) -> lists:zipwith(fun graph:add/2, Xs, Ys).

activate(relu, A) -> graph:relu(A);
activate(squared_relu, A) -> graph:pow(graph:relu(A), 2.0).

%% The parts of a vector that belong to the heads.
split_heads(#shape{heads = Heads, embedding = E}, X) ->
    {Parts, []} = rows(Heads, E div Heads, X),
    Parts.

%% Shows an activation to Watch, and returns it. The place is a list of position, layer and head, as far as they apply.
seen(Watch, Place, Name, Nodes) ->
    Watch(Place, Name, Nodes),
    Nodes.

%% The mixed values of one head for the query Q; Attended has the keys and values of the positions it attends to.
attend(Q, Attended, Seen) ->
    Root = exact:pow(float(length(Q)), 0.5),
    {Keys, Values} = lists:unzip(Attended),
    Scores = Seen("scores", [graph:divided(graph:dot(Q, Key), Root) || Key <- Keys]),
    Weights = Seen("weights", softmax(Scores)),
    Seen("mixed", [graph:dot(Weights, Column) || Column <- transpose(Values)]).

transpose([[] | _]) -> [];
transpose(Rows) -> [lists:map(fun erlang:hd/1, Rows) | transpose(lists:map(fun erlang:tl/1, Rows))].

%% One layer: its output for the input X, and its cache, which has key and value of each head under each position.
layer(Shape, Position, Layer, X, Cache, [Wq, Wk, Wv, Wo, Fc1, Fc2], Watch) ->
    Seen = fun(Name, Nodes) -> seen(Watch, [Position, Layer], Name, Nodes) end,
    AttnNorm = Seen("attn_norm", rmsnorm(X)),
    Q = Seen("q", linear(AttnNorm, Wq)),
    K = Seen("k", linear(AttnNorm, Wk)),
    V = Seen("v", linear(AttnNorm, Wv)),
    Grown = Cache#{Position => lists:zip(split_heads(Shape, K), split_heads(Shape, V))},
    Positions = element(Position + 1, Shape#shape.attention),
    Attended = transpose([map_get(P, Grown) || P <- Positions]),
    Heads = lists:zip3(lists:seq(0, Shape#shape.heads - 1), split_heads(Shape, Q), Attended),
    Mixed = [
        attend(Part, Pairs, fun(Name, Nodes) -> seen(Watch, [Position, Layer, Head], Name, Nodes) end)
     || {Head, Part, Pairs} <- Heads
    ],
    AttnOut = Seen("attn_out", linear(lists:append(Mixed), Wo)),
    Residual = Seen("attn_residual", add(AttnOut, X)),
    Hidden = Seen("hidden", linear(Seen("mlp_norm", rmsnorm(Residual)), Fc1)),
    Activated = Seen("activated", [activate(Shape#shape.activation, A) || A <- Hidden]),
    MlpOut = Seen("mlp_out", linear(Activated, Fc2)),
    {Seen("mlp_residual", add(MlpOut, Residual)), Grown}.

%% The logits of what follows Token at Position, and the layers' caches with this position.
logits(#model{shape = Shape, weights = [Wte, Wpe, LmHead | Weights]}, Token, Position, Caches, Watch) ->
    Seen = fun(Name, Nodes) -> seen(Watch, [Position], Name, Nodes) end,
    Embedded = Seen("embedded", add(lists:nth(Token + 1, Wte), lists:nth(Position + 1, Wpe))),
    {ByLayer, []} = rows(Shape#shape.layers, 6, Weights),
    Climb = fun({Layer, Own, Cache}, X) -> layer(Shape, Position, Layer, X, Cache, Own, Watch) end,
    Layers = lists:zip3(lists:seq(0, Shape#shape.layers - 1), ByLayer, Caches),
    {Grown, Top} = lists:mapfoldl(
        fun(Layer, X) ->
            {Output, Cache} = Climb(Layer, X),
            {Cache, Output}
        end,
        Seen("normed", rmsnorm(Embedded)),
        Layers
    ),
    {Seen("logits", linear(Top, LmHead)), Grown}.

empty_caches(#shape{layers = Layers}) -> lists:duplicate(Layers, #{}).

loss(Model, Tokens) -> loss(Model, Tokens, fun(_, _, _) -> ok end).

%% The node of the loss: the mean of -log p(next token).
loss(#model{shape = Shape} = Model, Tokens, Watch) ->
    Count = min(Shape#shape.block, length(Tokens) - 1),
    Steps = lists:zip3(
        lists:seq(0, Count - 1), lists:sublist(Tokens, Count), lists:sublist(Tokens, 2, Count)
    ),
    LossAt = fun({Position, Token, Next}, Caches) ->
        {Logits, Grown} = logits(Model, Token, Position, Caches, Watch),
        Probabilities = seen(Watch, [Position], "probabilities", softmax(Logits)),
        Loss = graph:neg(graph:log(lists:nth(Next + 1, Probabilities))),
        seen(Watch, [Position], "loss", [Loss]),
        {Loss, Grown}
    end,
    {Losses, _} = lists:mapfoldl(LossAt, empty_caches(Shape), Steps),
    graph:divided(graph:sum(Losses), float(Count)).

%% A list of tokens until BOS or the end of the block, and the generator. Drawn is told the probabilities and the
%% token of each draw.
sample(#model{shape = Shape} = Model, Temperature, Generator, Drawn) ->
    Bos = Shape#shape.vocabulary - 1,
    sample(Model, Temperature, Generator, Drawn, Bos, 0, Bos, empty_caches(Shape)).

sample(#model{shape = #shape{block = Block}}, _, Generator, _, _, Block, _, _) ->
    {[], Generator};
sample(Model, Temperature, Generator, Drawn, Bos, Position, Token, Caches) ->
    {Logits, Grown} = logits(Model, Token, Position, Caches, fun(_, _, _) -> ok end),
    Scaled = [graph:divided(A, Temperature) || A <- Logits],
    Probabilities = lists:map(fun graph:value/1, softmax(Scaled)),
    {Next, Generator1} = twister:choice(Probabilities, Generator),
    Drawn(Probabilities, Next),
    case Next of
        Bos ->
            {[], Generator1};
        _ ->
            {Rest, Generator2} = sample(Model, Temperature, Generator1, Drawn, Bos, Position + 1, Next, Grown),
            {[Next | Rest], Generator2}
    end.

%% The rate and the two corrections of a step.
rates(#settings{learning_rate = Rate, beta1 = Beta1, beta2 = Beta2, schedule = Schedule, steps = Steps}, Step) ->
    Correction = fun(Beta) -> ieee:subtract(1.0, exact:pow(Beta, float(Step + 1))) end,
    Now =
        case Schedule of
            linear -> ieee:multiply(Rate, 1.0 - Step / Steps);
            cosine -> ieee:multiply(ieee:multiply(Rate, 0.5), 1.0 + exact:cos(3.141592653589793 * Step / Steps))
        end,
    {Now, Correction(Beta1), Correction(Beta2)}.

%% Adam on lists of doubles: the new parameters and moments, each a list.
update(#settings{beta1 = Beta1, beta2 = Beta2, epsilon = Epsilon} = Settings, Step, Ps, Gs, Ms, Vs) ->
    {Rate, Correction1, Correction2} = rates(Settings, Step),
    Moment = fun(Beta, Old, New) -> ieee:add(ieee:multiply(Beta, Old), ieee:multiply(ieee:subtract(1.0, Beta), New)) end,
    Update = fun(P, G, M, V) ->
        NewM = Moment(Beta1, M, G),
        NewV = Moment(Beta2, V, ieee:multiply(G, G)),
        Divisor = ieee:add(exact:pow(ieee:divide(NewV, Correction2), 0.5), Epsilon),
        Change = ieee:divide(ieee:multiply(Rate, ieee:divide(NewM, Correction1)), Divisor),
        {ieee:subtract(P, Change), NewM, NewV}
    end,
    lists:unzip3(zipwith4(Update, Ps, Gs, Ms, Vs)).

zipwith4(F, [A | As], [B | Bs], [C | Cs], [D | Ds]) -> [F(A, B, C, D) | zipwith4(F, As, Bs, Cs, Ds)];
zipwith4(_, [], [], [], []) -> [].

%% The loss before the update, the gradients, the model after it, and its moments.
train_step(Model, Settings, Step, Tokens, M, V) ->
    Loss = loss(Model, Tokens),
    graph:backward(Loss),
    Gradients = lists:map(fun graph:gradient/1, Model#model.nodes),
    Parameters = lists:map(fun graph:value/1, Model#model.nodes),
    {NewParameters, NewM, NewV} = update(Settings, Step, Parameters, Gradients, M, V),
    Nodes = lists:zipwith(fun graph:with_value/2, Model#model.nodes, NewParameters),
    {graph:value(Loss), Gradients, from_nodes(Model#model.shape, Nodes), NewM, NewV}.

%% The stripped lines that are not empty. A line is a list of code points.
documents(Lines) ->
    Space = fun(C) -> C =:= 32 orelse (C >= 9 andalso C =< 13) end,
    Strip = fun(Line) -> lists:reverse(lists:dropwhile(Space, Line)) end,
    case [Document || Line <- Lines, Document <- [Strip(Strip(Line))], Document =/= []] of
        [] -> throw({refused, "the dataset has no documents"});
        Documents -> Documents
    end.

vocabulary(Documents) ->
    case lists:umerge(lists:map(fun lists:usort/1, Documents)) of
        Points when length(Points) > 2047 -> throw({refused, "the dataset has more than 2047 distinct characters"});
        Points -> Points
    end.

%% The tokens of a document, with BOS at both ends.
encode(Vocabulary, Document) ->
    Tokens = maps:from_list(lists:zip(Vocabulary, lists:seq(0, length(Vocabulary) - 1))),
    Bos = length(Vocabulary),
    [Bos] ++ [map_get(Point, Tokens) || Point <- Document] ++ [Bos].

presets() ->
    Settings = #settings{learning_rate = 0.01, epsilon = 1.0e-8},
    Shape = #shape{layers = 1, heads = 4, embedding = 16},
    #{
        "seed" => #{
            shape => Shape#shape{block = 8, activation = squared_relu},
            settings => Settings#settings{beta1 = 0.9, beta2 = 0.95, schedule = cosine, steps = 500},
            sigma => 0.02,
            output_sigma => 0.0
        },
        "classic" => #{
            shape => Shape#shape{block = 16, activation = relu},
            settings => Settings#settings{beta1 = 0.85, beta2 = 0.99, schedule = linear, steps = 1000},
            sigma => 0.08,
            output_sigma => 0.08
        }
    }.

draw_parameters(#{sigma := Sigma, output_sigma := OutputSigma}, Shape, Generator) ->
    Draw = fun({Name, Rows, Columns}, G) ->
        Own =
            case Name of
                "layer0.attn_wo" -> OutputSigma;
                "layer0.mlp_fc2" -> OutputSigma;
                _ -> Sigma
            end,
        lists:mapfoldl(fun(_, G1) -> twister:gauss(Own, G1) end, G, lists:seq(1, Rows * Columns))
    end,
    {Parameters, Next} = lists:mapfoldl(Draw, Generator, matrices(Shape)),
    {lists:append(Parameters), Next}.

%% Calls Say with each line that is printed. Returns the parameters and the moments
%% as lists, and the generator.
run(#{shape := Form, settings := Settings} = Preset, Steps, Samples, Lines, Say) ->
    {Documents, G1} = twister:shuffle(documents(Lines), twister:seeded(42)),
    Vocabulary = vocabulary(Documents),
    Block = Form#shape.block,
    Causal = list_to_tuple([lists:seq(0, T) || T <- lists:seq(0, Block - 1)]),
    Shape = Form#shape{vocabulary = length(Vocabulary) + 1, attention = Causal},
    {Parameters, G2} = draw_parameters(Preset, Shape, G1),
    Count = length(Parameters),
    Zeros = lists:duplicate(Count, 0.0),
    Print = fun(Format, Values) -> Say(lists:flatten(io_lib:format(Format, Values))) end,
    Print("num docs: ~b", [length(Documents)]),
    Print("vocab size: ~b", [Shape#shape.vocabulary]),
    Print("num params: ~b", [Count]),
    Train = fun(Step, {Model, M, V}) ->
        Document = lists:nth(Step rem length(Documents) + 1, Documents),
        {Loss, _, Model1, M1, V1} =
            train_step(Model, Settings#settings{steps = Steps}, Step, encode(Vocabulary, Document), M, V),
        Print("step ~4b / ~4b | loss ~s", [Step + 1, Steps, exact:decimals(Loss)]),
        {Model1, M1, V1}
    end,
    {Trained, LastM, LastV} = lists:foldl(Train, {new(Shape, Parameters), Zeros, Zeros}, lists:seq(0, Steps - 1)),
    Say(""),
    Say("--- inference (new, hallucinated names) ---"),
    Sample = fun(Number, G) ->
        {Tokens, Next} = sample(Trained, 0.5, G, fun(_, _) -> ok end),
        Text = [lists:nth(Token + 1, Vocabulary) || Token <- Tokens],
        Print("sample ~ts: ~ts", [string:pad(integer_to_list(Number), 2, leading), Text]),
        Next
    end,
    Last = lists:foldl(Sample, G2, lists:seq(1, Samples)),
    {lists:map(fun graph:value/1, leaves(Trained)), LastM, LastV, Last}.
