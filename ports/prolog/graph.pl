:- module(graph, [leaf//2, add//3, add_number//3, multiply//3, scale//3, divide//3, negate//2, power//3, logarithm//2,
                  exponential//2, relu//2, sum//2, dot//3, quotients//3, value/2, backward/3, gradient/3]).

:- use_module(exact).

/** <module> The autograd (SPEC, section 5)

A node is n(Id, Value, Origin). The rules that make nodes thread how many there are. The origin is leaf; local(A, L)
with the local gradient L; sum(As); or dot(As, Bs).
*/

node(Value, Origin, n(Id, Value, Origin), Count, Id) :- Id is Count + 1.

value(n(_, Value, _), Value).

leaf(X, N) --> node(X, leaf, N).

add(A, B, N) -->
    { A = n(_, X, _), B = n(_, Y, _), Z is X + Y },
    node(Z, sum([A, B]), N).

multiply(A, B, N) -->
    { A = n(_, X, _), B = n(_, Y, _), Z is X * Y },
    node(Z, dot([A], [B]), N).

add_number(C, A, N) -->
    { A = n(_, X, _), Z is X + C },
    node(Z, local(A, 1.0), N).

scale(C, A, N) -->
    { A = n(_, X, _), Z is X * C },
    node(Z, local(A, C), N).

divide(C, A, N) --> { Inverse is 1.0 / C }, scale(Inverse, A, N).
negate(A, N) --> scale(-1.0, A, N).

power(C, A, N) -->
    { A = n(_, X, _),
      pow(X, C, Z),
      C1 is C - 1.0,
      pow(X, C1, Slope),
      Local is C * Slope },
    node(Z, local(A, Local), N).

logarithm(A, N) -->
    { A = n(_, X, _), log_of(X, Z), Local is 1.0 / X },
    node(Z, local(A, Local), N).

exponential(A, N) -->
    { A = n(_, X, _), exp_of(X, Z) },
    node(Z, local(A, Z), N).

relu(A, N) -->
    { A = n(_, X, _),
      ( X > 0 -> Z = X, Local = 1.0 ; Z = 0.0, Local = 0.0 ) },
    node(Z, local(A, Local), N).

% Sums and dot products are one node. No operand occurs twice, save as its own factor, and none lies below another.

sum(As, N) --> { sum_values(As, 0.0, Sum) }, node(Sum, sum(As), N).

sum_values([], Sum, Sum).
sum_values([n(_, X, _)|As], Sum0, Sum) :- Sum1 is Sum0 + X, sum_values(As, Sum1, Sum).

dot(As, Bs, N) --> { dot_values(As, Bs, 0.0, Sum) }, node(Sum, dot(As, Bs), N).

dot_values([], [], Sum, Sum).
dot_values([n(_, X, _)|As], [n(_, Y, _)|Bs], Sum0, Sum) :-
    Sum1 is Sum0 + X * Y,
    dot_values(As, Bs, Sum1, Sum).

%   Each of As over B. Every division has a power node of its own, all with the same numbers.
quotients(B, As, Ns) -->
    { B = n(_, X, _),
      Inverse is 1.0 / X,
      pow(X, -2.0, Slope),
      Local is -1.0 * Slope },
    foldl(quotient(B, Inverse, Local), As, Ns).

quotient(B, Inverse, Local, A, N) -->
    node(Inverse, local(B, Local), P),
    multiply(A, P, N).

%!  backward(+Root, +Count, -Gradients)
%
%   The gradients of all nodes, Count in number, by id.
backward(Root, Count, Gradients) :-
    Root = n(RootId, _, Origin),
    functor(Seen, seen, Count),
    arg(RootId, Seen, true),
    children(Origin, Children),
    visit(Children, Root, [], Seen, [], Order),
    length(Zeros, Count),
    maplist(=(0.0), Zeros),
    Gradients =.. [gradients|Zeros],
    nb_setarg(RootId, Gradients, 1.0),
    spread_all(Order, Gradients).

gradient(Gradients, n(Id, _, _), G) :- arg(Id, Gradients, G).

children(leaf, []).
children(local(A, _), [A]).
children(sum(As), As).
children(dot(As, Bs), Children) :- interleave(As, Bs, Children).

interleave([], [], []).
interleave([A|As], [B|Bs], [A, B|Rest]) :- interleave(As, Bs, Rest).

%   Depth-first post-order, the last node first. The path has the ancestors of the node, each with the children that
%   are still to be visited. A node is seen when its place in Seen is bound.
visit([], Node, Path, Seen, Order, End) :-
    (   Path = [Others-Parent|Path1]
    ->  visit(Others, Parent, Path1, Seen, [Node|Order], End)
    ;   End = [Node|Order]
    ).
visit([Child|Others], Node, Path, Seen, Order, End) :-
    Child = n(Id, _, Origin),
    arg(Id, Seen, Mark),
    (   Mark == true
    ->  visit(Others, Node, Path, Seen, Order, End)
    ;   Mark = true,
        children(Origin, Children),
        visit(Children, Child, [Others-Node|Path], Seen, Order, End)
    ).

spread_all([], _).
spread_all([n(Id, _, Origin)|Nodes], Gradients) :-
    arg(Id, Gradients, G),
    spread(Origin, G, Gradients),
    spread_all(Nodes, Gradients).

spread(leaf, _, _).
spread(local(A, Local), G, Gradients) :- Share is Local * G, give(A, Share, Gradients).
spread(sum(As), G, Gradients) :- spread_sum(As, G, Gradients).
spread(dot(As, Bs), G, Gradients) :- spread_dot(As, Bs, G, Gradients).

spread_sum([], _, _).
spread_sum([A|As], G, Gradients) :- give(A, G, Gradients), spread_sum(As, G, Gradients).

spread_dot([], [], _, _).
spread_dot([A|As], [B|Bs], G, Gradients) :-
    A = n(I, X, _),
    B = n(J, Y, _),
    arg(I, Gradients, G0),
    G1 is G0 + Y * G,
    nb_setarg(I, Gradients, G1),
    arg(J, Gradients, H0),
    H1 is H0 + X * G,
    nb_setarg(J, Gradients, H1),
    spread_dot(As, Bs, G, Gradients).

give(n(Id, _, _), Share, Gradients) :-
    arg(Id, Gradients, Old),
    New is Old + Share,
    nb_setarg(Id, Gradients, New).
