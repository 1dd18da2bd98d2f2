{ The autograd (SPEC, section 5): numbers that know what they are made of. It answers `graph` and trains the model. }
unit Tape;

{$mode objfpc}{$H+}{$modeswitch advancedrecords}{$EXCESSPRECISION OFF}

interface

uses
  Protocol, Exact;

type
  { Nodes made one after the other. }
  TVector = record
    First, Count: Integer;
    function Part(From: Integer; ACount: Integer = 1): TVector;
  end;

  TKind = (nkLeaf, nkAdd, nkMul, nkPow, nkLog, nkExp, nkRelu, nkDot);

  { The children are A, B, A + 1, B + 1, ..., as many pairs as there are. B is a leaf where a kind has one operand, and
    the exponent of a power. }
  TOrigin = record
    Kind: TKind;
    A, B, Pairs: Integer;
  end;

  TTape = record
  private
    FOrigins: array of TOrigin;
    FEdges: Integer;
    function Node(Kind: TKind; A, B, Pairs: Integer; X: Double): TVector;
    function Order(Root: Integer): TIntegers;
  public
    Value, Gradient: TDoubles;
    Size: Integer;
    procedure CutTo(Count: Integer); { forgets all later nodes }
    function Since(First: Integer): TVector;
    function Values(X: TVector): TDoubles;
    function Number(X: Double): TVector;
    { a node for each pair of numbers; an only one stands for as many as are wanted }
    function Map(Kind: TKind; A, B: TVector): TVector;
    function Map(Kind: TKind; A: TVector; B: Double = 0.0): TVector;
    { one node for all products and sums (SPEC, "Taking nodes together") }
    function DotProduct(A, B: TVector): TVector;
    function Softmax(X: TVector): TVector;
    function Rmsnorm(X: TVector): TVector;
    procedure Backward(Root: TVector);
  end;

implementation

uses
  Math;

function TVector.Part(From, ACount: Integer): TVector;
begin
  Result.First := First + From;
  Result.Count := ACount;
end;

procedure TTape.CutTo(Count: Integer);
begin
  Size := Count;
  FEdges := 0; { the first nodes are leaves }
end;

function TTape.Since(First: Integer): TVector;
begin
  Result.First := First;
  Result.Count := Size - First;
end;

function TTape.Values(X: TVector): TDoubles;
begin
  Result := Copy(Value, X.First, X.Count);
end;

function TTape.Node(Kind: TKind; A, B, Pairs: Integer; X: Double): TVector;
begin
  if Size = Length(FOrigins) then
  begin
    SetLength(FOrigins, 2 * Size + 1024);
    SetLength(Value, Length(FOrigins));
    SetLength(Gradient, Length(FOrigins));
  end;
  FOrigins[Size].Kind := Kind;
  FOrigins[Size].A := A;
  FOrigins[Size].B := B;
  FOrigins[Size].Pairs := Pairs;
  Value[Size] := X;
  Inc(Size);
  Inc(FEdges, 2 * Pairs);
  Result := Since(Size - 1);
end;

function TTape.Number(X: Double): TVector;
begin
  Result := Node(nkLeaf, 0, 0, 0, X);
end;

function TTape.Map(Kind: TKind; A, B: TVector): TVector;
var
  Start, I, Left, Right: Integer;
  X, Y: Double;
begin
  Start := Size;
  for I := 0 to Max(A.Count, B.Count) - 1 do
  begin
    Left := A.First + Min(I, A.Count - 1);
    Right := B.First + Min(I, B.Count - 1);
    X := Value[Left];
    Y := Value[Right];
    case Kind of
      nkAdd: X := X + Y;
      nkMul: X := X * Y;
      nkPow: X := ExactPower(X, Y);
      nkLog: X := ExactLn(X);
      nkExp: X := ExactExp(X);
      nkRelu:
        if X > 0.0 then { false for NaN, though not X <= 0.0 }
          X := X + 0.0
        else
          X := 0.0;
    end;
    Node(Kind, Left, Right, 1, X);
  end;
  Result := Since(Start);
end;

function TTape.Map(Kind: TKind; A: TVector; B: Double): TVector;
begin
  Result := Map(Kind, A, Number(B));
end;

function TTape.DotProduct(A, B: TVector): TVector;
var
  I: Integer;
  Total: Double;
begin
  Total := 0.0;
  for I := 0 to A.Count - 1 do
    Total := Total + Value[A.First + I] * Value[B.First + I];
  Result := Node(nkDot, A.First, B.First, A.Count, Total);
end;

function TTape.Softmax(X: TVector): TVector;
var
  I, Start: Integer;
  Top: Double;
  Powers, Total, MinusOne: TVector;
begin
  Top := Value[X.First];
  for I := X.First to X.First + X.Count - 1 do
    if Value[I] > Top then
      Top := Value[I];
  Powers := Map(nkExp, Map(nkAdd, X, -Top));
  Total := Map(nkAdd, Powers.Part(0));
  for I := 1 to X.Count - 1 do
    Total := Map(nkAdd, Total, Powers.Part(I));
  MinusOne := Number(-1.0);
  Start := Size;
  for I := 1 to X.Count do { a pow node for each division }
    Node(nkPow, Total.First, MinusOne.First, 1, 1.0 / Value[Total.First]);
  Result := Map(nkMul, Powers, Since(Start));
end;

function TTape.Rmsnorm(X: TVector): TVector;
const
  Epsilon: Double = 0.00001; { typed, since the compiler would compute with a constant in more bits }
var
  MeanSquare: TVector;
begin
  MeanSquare := Map(nkMul, DotProduct(X, X), 1.0 / Double(X.Count));
  Result := Map(nkMul, X, Map(nkPow, Map(nkAdd, MeanSquare, Epsilon), -0.5));
end;

{ Depth first, each node after its children, without the leaves. What is on the stack as not N was N, and is done. }
function TTape.Order(Root: Integer): TIntegers;
var
  IsWaiting: array of Boolean;
  Stack: array of Integer;
  Depth, Count, I, Pair: Integer;

  procedure Push(N: Integer);
  begin
    Stack[Depth] := N;
    Inc(Depth);
  end;

begin
  SetLength(IsWaiting, Size);
  for I := 0 to Size - 1 do
    IsWaiting[I] := FOrigins[I].Kind <> nkLeaf;
  SetLength(Stack, Size + FEdges + 1);
  SetLength(Result, Size);
  Count := 0;
  Depth := 0;
  Push(Root);
  while Depth > 0 do
  begin
    Dec(Depth);
    I := Stack[Depth];
    if I < 0 then
    begin
      Result[Count] := not I;
      Inc(Count);
    end
    else if IsWaiting[I] then
      with FOrigins[I] do
      begin
        IsWaiting[I] := False;
        Push(not I);
        for Pair := Pairs - 1 downto 0 do
        begin
          if IsWaiting[B + Pair] then
            Push(B + Pair);
          if IsWaiting[A + Pair] then
            Push(A + Pair);
        end;
      end;
  end;
  SetLength(Result, Count);
end;

procedure TTape.Backward(Root: TVector);
var
  Nodes: TIntegers;
  I, Pair, LastA, LastB: Integer;
  X, Y, G, ByX, ByY, Power: Double;
begin
  Nodes := Order(Root.First);
  FillChar(Gradient[0], Size * SizeOf(Double), 0);
  Gradient[Root.First] := 1.0;
  LastA := -1;
  LastB := -1;
  Power := 0.0; { equal powers come in a row }
  for I := High(Nodes) downto 0 do
    with FOrigins[Nodes[I]] do
    begin
      G := Gradient[Nodes[I]];
      if Kind = nkDot then
      begin
        for Pair := 0 to Pairs - 1 do
        begin
          Gradient[A + Pair] := Gradient[A + Pair] + Value[B + Pair] * G;
          Gradient[B + Pair] := Gradient[B + Pair] + Value[A + Pair] * G;
        end;
        Continue;
      end;
      X := Value[A];
      Y := Value[B];
      ByX := 1.0;
      ByY := 0.0;
      case Kind of
        nkAdd:
          ByY := 1.0;
        nkMul:
          begin
            ByX := Y;
            ByY := X;
          end;
        nkPow:
          begin
            if (A <> LastA) or (B <> LastB) then
              Power := ExactPower(X, Y - 1.0);
            LastA := A;
            LastB := B;
            ByX := Y * Power;
          end;
        nkLog:
          ByX := 1.0 / X;
        nkExp:
          ByX := Value[Nodes[I]];
        nkRelu:
          ByX := Ord(X > 0.0);
      end;
      Gradient[A] := Gradient[A] + ByX * G;
      Gradient[B] := Gradient[B] + ByY * G;
    end;
end;

end.
