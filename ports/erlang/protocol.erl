%% The words of requests and replies. Whatever is wrong with a request is thrown as {refused, Reason}.
-module(protocol).

-export([refuse/1, refuse/2, words/1, fields/2, values/2, while_key/3, finish/1]).
-export([integer/2, double/0, double/1, exponent/1, code_point/1, choice/1, tensor/4, matrices/3]).
-export([line/2, hex/1, tensor_lines/4, matrix_lines/3, checksum/2]).

-define(LONGEST, 65536).

refuse(Reason) -> throw({refused, Reason}).
refuse(Format, Values) -> refuse(io_lib:format(Format, Values)).

words(Line) when byte_size(Line) > ?LONGEST -> refuse("a line is longer than ~b bytes", [?LONGEST]);
words(Line) -> binary:split(Line, <<" ">>, [global]).

%% The values of the first line, which must have this key, and the other lines.
values(Key, [Line | Lines]) ->
    case words(Line) of
        [Key | Values] -> {Values, Lines};
        _ -> refuse("expected a line ~s", [Key])
    end;
values(_, []) ->
    refuse("the request ends too early").

%% Reads one value from each of the first lines, as a list of keys and readers says.
fields(Keys, Lines) ->
    Field = fun({Key, Read}, Left) ->
        case values(Key, Left) of
            {[Value], Others} -> {Read(Value), Others};
            _ -> refuse("~s takes 1 value", [Key])
        end
    end,
    lists:mapfoldl(Field, Lines, Keys).

%% Reads the values of the first lines as long as they have this key.
while_key(Key, Read, Lines) -> while_key(Key, Read, Lines, []).

while_key(Key, Read, [Line | Lines] = All, Items) ->
    case words(Line) of
        [Key | Values] -> while_key(Key, Read, Lines, [Read(Values) | Items]);
        _ -> {lists:reverse(Items), All}
    end;
while_key(_, _, [], Items) ->
    {lists:reverse(Items), []}.

finish([]) -> ok;
finish(_) -> refuse("expected the end").

%% A reader of integers from Low to High.
integer(Low, High) ->
    fun(Word) ->
        Digits = Word =/= <<>> andalso byte_size(Word) =< 10 andalso << <<D>> || <<D>> <= Word, D >= $0, D =< $9 >>,
        case Digits =:= Word andalso {Word, binary_to_integer(Word)} of
            {<<$0, _, _/binary>>, _} -> refuse("an integer has no leading zeros");
            {_, N} when N >= Low, N =< High -> N;
            {_, _} -> refuse("an integer is not in the range from ~b to ~b", [Low, High]);
            false -> refuse("expected an integer")
        end
    end.

double() -> fun double/1.

double(Word) when byte_size(Word) =:= 16 ->
    case << <<D>> || <<D>> <= Word, (D >= $0 andalso D =< $9) orelse (D >= $a andalso D =< $f) >> of
        Word -> ieee:from_bits(binary_to_integer(Word, 16));
        _ -> refuse("a double has lower-case hex digits")
    end;
double(_) ->
    refuse("a double has 16 digits").

%% A reader of exponents up to a limit.
exponent(Limit) ->
    fun(Word) ->
        case double(Word) of
            C when is_float(C), abs(C) =< Limit, 2.0 * C == trunc(2.0 * C) -> C;
            _ -> refuse("an exponent is an integer or half-integer up to ~b", [Limit])
        end
    end.

code_point(Word) ->
    case (integer(0, 16#10ffff))(Word) of
        Surrogate when Surrogate >= 16#d800, Surrogate =< 16#dfff -> refuse("a surrogate is not a code point");
        Point -> Point
    end.

%% A reader of one of a few words, the keys of a map; it gives what the word stands for.
choice(Choices) ->
    fun(Word) ->
        case Choices of
            #{Word := Choice} -> Choice;
            _ -> refuse("expected one of ~s", [lists:join(" ", maps:keys(Choices))])
        end
    end.

%% The tensor's doubles in one list, its rows and columns, and the lines after it. A shape may be any.
tensor(Name, Rows, Columns, Lines) ->
    Found = list_to_binary(Name),
    Size = integer(1, 2048),
    case values(<<"tensor">>, Lines) of
        {[Found, R, C], Left} ->
            case {Size(R), Size(C)} of
                {SomeRows, SomeColumns} when
                    (Rows =:= any orelse Rows =:= SomeRows), (Columns =:= any orelse Columns =:= SomeColumns)
                ->
                    Row = fun(_, Below) -> row(SomeColumns, values(<<"row">>, Below)) end,
                    {Doubles, Others} = lists:mapfoldl(Row, Left, lists:seq(1, SomeRows)),
                    {lists:append(Doubles), SomeRows, SomeColumns, Others};
                _ ->
                    refuse("~s has the wrong shape", [Name])
            end;
        _ ->
            refuse("expected the tensor ~s", [Name])
    end.

row(Columns, {Words, Lines}) when length(Words) =:= Columns -> {lists:map(fun double/1, Words), Lines};
row(Columns, _) -> refuse("a row does not have ~b values", [Columns]).

%% The doubles of all matrices of a model. Each tensor's name begins with the prefix.
matrices(Shape, Prefix, Lines) ->
    Matrix = fun({Name, Rows, Columns}, Left) ->
        {Doubles, _, _, Others} = tensor(Prefix ++ Name, Rows, Columns, Left),
        {Doubles, Others}
    end,
    {Matrices, Others} = lists:mapfoldl(Matrix, Lines, model:matrices(Shape)),
    {lists:append(Matrices), Others}.

hex(X) -> hex(16, ieee:to_bits(X)).

hex(Digits, N) -> << <<(binary:at(<<"0123456789abcdef">>, Digit))>> || <<Digit:4>> <= <<N:(4 * Digits)>> >>.

%% A line of a reply: doubles are floats and atoms.
line(Key, Values) -> [Key, [[$\s, value(Value)] || Value <- Values], $\n].

value(Value) when is_integer(Value) -> integer_to_binary(Value);
value(Value) when is_float(Value); is_atom(Value) -> hex(Value);
value(Value) -> Value.

tensor_lines(Name, Rows, Columns, Doubles) ->
    {Lines, []} = model:rows(Rows, Columns, Doubles),
    [line("tensor", [Name, Rows, Columns]), [line("row", Row) || Row <- Lines]].

matrix_lines(Shape, Prefix, Doubles) ->
    Matrix = fun({Name, Rows, Columns}, Left) ->
        {Own, Others} = lists:split(Rows * Columns, Left),
        {tensor_lines(Prefix ++ Name, Rows, Columns, Own), Others}
    end,
    {Lines, []} = lists:mapfoldl(Matrix, Doubles, model:matrices(Shape)),
    Lines.

checksum(Key, Doubles) ->
    Add = fun(Half, {A, B}) ->
        Next = (A + Half) rem 4294967291,
        {Next, (B + Next) rem 4294967291}
    end,
    Halves = fun(X, Sums) ->
        Bits = ieee:to_bits(X),
        Add(Bits band 16#ffffffff, Add(Bits bsr 32, Sums))
    end,
    {A, B} = lists:foldl(Halves, {1, 0}, Doubles),
    line(Key, [hex(8, A), hex(8, B)]).
