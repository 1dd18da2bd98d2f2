%% The autograd. A node is a value that never changes and knows what it was made from. Gradients are kept in the
%% dictionary of the process that asks for them, under the nodes' ids.
-module(graph).

-export([leaf/1, value/1, with_value/2]).
-export([add/2, mul/2, shift/2, scale/2, divided/2, neg/1, pow/2, log/1, exp/1, relu/1]).
-export([sum/1, dot/2, quotients/2, backward/1, gradient/1]).
-export_type([graph_node/0]).

-record(node, {id :: integer(), value :: ieee:double(), parents = none}).

-opaque graph_node() :: #node{}.

%% The parents: none; one node and its local gradient; nodes to be added up; or two lists of nodes, to be
%% multiplied pair by pair and added up.
node(Value, Parents) -> #node{id = erlang:unique_integer(), value = Value, parents = Parents}.

leaf(Value) -> node(Value, none).
value(#node{value = Value}) -> Value.

%% The same leaf at another time.
with_value(Node, Value) -> Node#node{value = Value}.

unary(Value, A, Local) -> node(Value, {local, A, Local}).

add(A, B) -> node(ieee:add(A#node.value, B#node.value), {sum, [A, B]}).
mul(A, B) -> node(ieee:multiply(A#node.value, B#node.value), {dot, [A], [B]}).

%% A + C and A * C for a plain number C.
shift(A, C) -> unary(ieee:add(A#node.value, C), A, 1.0).
scale(A, C) -> unary(ieee:multiply(A#node.value, C), A, C).

divided(A, C) -> scale(A, exact:pow(C, -1.0)).
neg(A) -> scale(A, -1.0).

pow(#node{value = X} = A, C) -> unary(exact:pow(X, C), A, ieee:multiply(C, exact:pow(X, C - 1.0))).
log(#node{value = X} = A) -> unary(exact:log(X), A, ieee:divide(1.0, X)).

exp(A) ->
    Y = exact:exp(A#node.value),
    unary(Y, A, Y).

relu(#node{value = X} = A) ->
    case ieee:greater(X, 0.0) of
        true -> unary(X, A, 1.0);
        false -> unary(0.0, A, 0.0)
    end.

%% Sums and dot products as one node. No operand occurs twice, save as its own factor, and none lies below another.
sum(Xs) -> node(lists:foldl(fun(X, Sum) -> ieee:add(Sum, X#node.value) end, 0.0, Xs), {sum, Xs}).

dot(Ws, Xs) ->
    Value =
        try
            dot(Ws, Xs, 0.0)
        catch
            error:badarith -> special_dot(Ws, Xs, 0.0)
        end,
    node(Value, {dot, Ws, Xs}).

dot([#node{value = W} | Ws], [#node{value = X} | Xs], Sum) -> dot(Ws, Xs, Sum + W * X);
dot([], [], Sum) -> Sum.

special_dot([#node{value = W} | Ws], [#node{value = X} | Xs], Sum) ->
    special_dot(Ws, Xs, ieee:add(Sum, ieee:multiply(W, X)));
special_dot([], [], Sum) ->
    Sum.

%% Every X over A. Each division has a power node of its own; value and local gradient are the same.
quotients(Xs, #node{value = A} = Divisor) ->
    Inverse = ieee:divide(1.0, A),
    Local = ieee:negate(exact:pow(A, -2.0)),
    [mul(X, unary(Inverse, Divisor, Local)) || X <- Xs].

children(none) -> [];
children({local, A, _}) -> [A];
children({sum, Xs}) -> Xs;
children({dot, Ws, Xs}) -> interleave(Ws, Xs).

interleave([W | Ws], [X | Xs]) -> [W, X | interleave(Ws, Xs)];
interleave([], []) -> [].

%% The nodes below a root, the last one first, in depth-first post-order with children from left to right.
%% Each gets the gradient 0.0, which is also the mark of a visit. The path is an explicit stack: the tail calls
%% keep the process small, however deep the graph is.
reverse_post_order(#node{parents = Parents} = Root) ->
    put(Root#node.id, 0.0),
    visit(children(Parents), Root, [], []).

visit([Child | Others], Node, Path, Order) ->
    case get(Child#node.id) of
        undefined ->
            put(Child#node.id, 0.0),
            visit(children(Child#node.parents), Child, [{Others, Node} | Path], Order);
        _ ->
            visit(Others, Node, Path, Order)
    end;
visit([], Node, [{Others, Parent} | Path], Order) ->
    visit(Others, Parent, Path, [Node | Order]);
visit([], Root, [], Order) ->
    [Root | Order].

%% Sets the gradient of every node below the root: how the value of the root changes with it.
-spec backward(graph_node()) -> ok.
backward(Root) ->
    erase(),
    Order = reverse_post_order(Root),
    put(Root#node.id, 1.0),
    lists:foreach(fun spread/1, Order).

spread(#node{id = Id, parents = Parents}) -> spread(Parents, get(Id)).

spread(none, _) ->
    ok;
spread({local, A, Local}, G) ->
    receive_product(A, Local, G);
spread({sum, Xs}, G) ->
    lists:foreach(fun(X) -> receive_product(X, 1.0, G) end, Xs);
spread({dot, [W | Ws], [X | Xs]}, G) ->
    receive_product(W, X#node.value, G),
    receive_product(X, W#node.value, G),
    spread({dot, Ws, Xs}, G);
spread({dot, [], []}, _) ->
    ok.

receive_product(#node{id = Id}, Local, G) ->
    Before = get(Id),
    put(Id,
        try
            Before + Local * G
        catch
            error:badarith -> ieee:add(Before, ieee:multiply(Local, G))
        end).

%% After backward/1.
-spec gradient(graph_node()) -> ieee:double().
gradient(#node{id = Id}) ->
    case get(Id) of
        undefined -> 0.0;
        G -> G
    end.
