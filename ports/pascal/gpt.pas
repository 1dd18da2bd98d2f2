{ Random numbers, the autograd, the model and its training (SPEC, sections 3 to 10). }
unit Gpt;

{$mode objfpc}{$H+}{$EXCESSPRECISION OFF}

interface

uses
  Exact, Protocol;

type
  TTwister = class
  public
    Words: array[0..623] of LongWord;
    Index: Integer;
    HasKept: Boolean;
    Kept: Double;
    constructor Create(Seed: LongWord);
    function NextWord: LongWord;
    function Random: Double;
    function Gauss(Sigma: Double): Double;
    function Shuffled(Count: Integer): TIntegers;
    function Choice(const Weights: TDoubles): Integer;
  private
    function Below(Limit: LongWord): LongWord;
  end;

  { The autograd: a node is a number. Its children begin at First: one a term, or the two factors of each term of a
    product. In any other node Local is the local gradient for every child. }
  TEntry = record
    First, Children: Integer;
    IsProduct: Boolean;
    Local: Double;
  end;

  TTape = class
  private
    FEntries: array of TEntry;
    FChildren: TIntegers;
    FSize, FUsed: Integer;
    function Node(AValue, Local: Double; const Children: array of Integer; IsProduct: Boolean = False): Integer;
  public
    Value, Gradient: TDoubles;
    procedure CutTo(Count: Integer); { forgets all later nodes }
    function Leaf(X: Double): Integer;
    function Add(A, B: Integer): Integer;
    function Mul(A, B: Integer): Integer;
    function Shift(A: Integer; C: Double): Integer; { A + C, and A * C, for a plain number C }
    function Scale(A: Integer; C: Double): Integer;
    function Power(A: Integer; C: Double): Integer;
    function Ln(A: Integer): Integer;
    function Exp(A: Integer): Integer;
    function Relu(A: Integer): Integer;
    { One node for many: none of the operands occurs twice, and none lies below another. }
    function Sum(const X: TIntegers): Integer;
    function Dot(const W, X: TIntegers): Integer;
    function Softmax(const X: TIntegers): TIntegers;
    procedure Backward(Root: Integer);
  end;

  TMatrix = record
    Name: string;
    Rows, Columns, First: Integer; { the node of its first number }
  end;

  TShape = class
  public
    Layers, Heads, Embedding, Block, Vocabulary, Parameters: Integer;
    IsSquared: Boolean;             { the activation is the square of relu }
    Attend: array of TIntegers;     { for each position, those it attends to }
    Matrices: array of TMatrix;
    procedure MakeMatrices;         { once the numbers are known }
    function Take(Request: TRequest; const Prefix: string): TDoubles;
    procedure Put(Reply: TReply; const Prefix: string; const X: TDoubles);
  end;

  { hears of an activation; Layer and Head are -1 for none }
  TNoteEvent = procedure(const Name: string; const X: TDoubles; Position, Layer, Head: Integer) of object;
  TDrawEvent = procedure(const Probabilities: TDoubles; Token: Integer) of object;

  TModel = class
  private
    FRows: array of array of TIntegers;              { by matrix }
    FKeys, FValues: array of array of TIntegers;     { by layer and position }
    procedure Note(const Name: string; const X: TIntegers; Position: Integer; Layer: Integer = -1; Head: Integer = -1);
    function Linear(const X: TIntegers; Matrix: Integer): TIntegers;
    function Rmsnorm(const X: TIntegers): TIntegers;
    function Sum(const X, Y: TIntegers): TIntegers;
    function Attention(const Q: TIntegers; T, Layer: Integer): TIntegers;
    function Logits(Token, T: Integer): TIntegers;
  public
    Shape: TShape;
    Tape: TTape; { its first nodes are the parameters }
    OnNote: TNoteEvent;
    OnDraw: TDrawEvent;
    constructor Create(AShape: TShape; const Parameters: TDoubles); { the shape becomes its own }
    destructor Destroy; override;
    function Loss(const Tokens: TIntegers): Integer;
    function Sample(Temperature: Double; Twister: TTwister): TIntegers;
    function Parameters: TDoubles;
    function Gradients: TDoubles;
  end;

  TAdam = record
    LearningRate, Beta1, Beta2, Epsilon: Double;
    IsCosine: Boolean;
    Steps: Integer;
  end;

  TDocuments = array of TIntegers;
  { gets text, and code points that follow it }
  TPrintEvent = procedure(const Text: string; const Points: TIntegers) of object;

  TRun = class
  public
    Model: TModel;
    Twister: TTwister;
    M, V: TDoubles;
    constructor Create(IsSeed: Boolean; Steps, Samples: Integer; const Documents: TDocuments; Print: TPrintEvent);
    destructor Destroy; override;
  end;

function Rate(const Adam: TAdam; Step: Integer): Double;
function Correction(Beta: Double; Step: Integer): Double;
procedure Update(const Adam: TAdam; Step: Integer; P, G, M, V: TDoubles); { as many of P as there are of M }
function Train(const Adam: TAdam; Step: Integer; Model: TModel; const Tokens: TIntegers; M, V: TDoubles): Double;

procedure AddDocument(var Documents: TDocuments; var Count: Integer; const Line: TIntegers); { stripped, or not at all }
function VocabularyOf(const Documents: TDocuments): TIntegers; { its code points in order }
function Encoded(const Document, Points: TIntegers): TIntegers;

implementation

uses
  Math, SysUtils;

constructor TTwister.Create(Seed: LongWord);

  function Mixed(I: Integer): LongWord;
  begin
    Result := Words[I - 1] xor (Words[I - 1] shr 30);
  end;

var
  I, K: Integer;
begin
  Words[0] := 19650218;
  for I := 1 to 623 do
    Words[I] := LongWord(QWord(1812433253) * Mixed(I) + QWord(I));
  I := 1;
  for K := 1 to 624 + 623 do
  begin
    if K <= 624 then
      Words[I] := LongWord((Words[I] xor LongWord(QWord(1664525) * Mixed(I))) + QWord(Seed))
    else
      Words[I] := LongWord(Int64(Words[I] xor LongWord(QWord(1566083941) * Mixed(I))) - I);
    Inc(I);
    if I = 624 then
    begin
      Words[0] := Words[623];
      I := 1;
    end;
  end;
  Words[0] := $80000000;
  Index := 624;
end;

function TTwister.NextWord: LongWord;
var
  I: Integer;
begin
  if Index = 624 then
  begin
    for I := 0 to 623 do
    begin
      Result := Words[I] and $80000000 or Words[(I + 1) mod 624] and $7FFFFFFF;
      Words[I] := Words[(I + 397) mod 624] xor (Result shr 1);
      if Odd(Result) then
        Words[I] := Words[I] xor 2567483615;
    end;
    Index := 0;
  end;
  Result := Words[Index];
  Inc(Index);
  Result := Result xor (Result shr 11);
  Result := Result xor ((Result shl 7) and 2636928640);
  Result := Result xor ((Result shl 15) and 4022730752);
  Result := Result xor (Result shr 18);
end;

function TTwister.Random: Double;
var
  A, B: Int64;
begin
  A := NextWord shr 5;
  B := NextWord shr 6;
  Result := A * 67108864 + B;
  Result := Result / 9007199254740992.0;
end;

function TTwister.Gauss(Sigma: Double): Double;
var
  X, R, Z: Double;
begin
  Z := Kept;
  HasKept := not HasKept;
  if HasKept then
  begin
    X := Random * TwoPi53;
    R := Sqrt(-2.0 * ExactLn(1.0 - Random));
    Z := ExactCos(X) * R;
    Kept := ExactSin(X) * R;
  end;
  Result := Z * Sigma;
  Result := Result + 0.0;
end;

function TTwister.Below(Limit: LongWord): LongWord;
begin
  repeat
    Result := NextWord shr (31 - BsrDWord(Limit));
  until Result < Limit;
end;

function TTwister.Shuffled(Count: Integer): TIntegers;
var
  I, J, Held: Integer;
begin
  SetLength(Result, Count);
  for I := 0 to Count - 1 do
    Result[I] := I;
  for I := Count - 1 downto 1 do
  begin
    J := Below(I + 1);
    Held := Result[I];
    Result[I] := Result[J];
    Result[J] := Held;
  end;
end;

function TTwister.Choice(const Weights: TDoubles): Integer;
var
  Sums: TDoubles;
  I, Last, Middle: Integer;
  U: Double;
begin
  Sums := Copy(Weights);
  Last := High(Sums);
  for I := 1 to Last do
    Sums[I] := Sums[I - 1] + Weights[I];
  if not IsFinite(Sums[Last]) or not (Sums[Last] > 0.0) then
    raise EBadRequest.Create('the weights must have a finite total above 0');
  U := Random * Sums[Last];
  Result := 0;
  while Result < Last do
  begin
    Middle := (Result + Last) div 2;
    if U < Sums[Middle] then
      Last := Middle
    else
      Result := Middle + 1;
  end;
end;

function TTape.Node(AValue, Local: Double; const Children: array of Integer; IsProduct: Boolean): Integer;
begin
  Result := FSize;
  if FSize = Length(FEntries) then
  begin
    SetLength(FEntries, 2 * FSize + 1024);
    SetLength(Value, Length(FEntries));
    SetLength(Gradient, Length(FEntries));
  end;
  if FUsed + Length(Children) > Length(FChildren) then
    SetLength(FChildren, 2 * (FUsed + Length(Children)) + 4096);
  FEntries[Result].First := FUsed;
  FEntries[Result].Children := Length(Children);
  FEntries[Result].IsProduct := IsProduct;
  FEntries[Result].Local := Local;
  Value[Result] := AValue;
  if Length(Children) > 0 then
    Move(Children[0], FChildren[FUsed], Length(Children) * SizeOf(Integer));
  Inc(FUsed, Length(Children));
  Inc(FSize);
end;

procedure TTape.CutTo(Count: Integer);
begin
  if Count < FSize then
    FUsed := FEntries[Count].First;
  FSize := Count;
end;

function TTape.Leaf(X: Double): Integer;
begin
  Result := Node(X, 0.0, []);
end;

function TTape.Add(A, B: Integer): Integer;
begin
  Result := Node(Value[A] + Value[B], 1.0, [A, B]);
end;

function TTape.Mul(A, B: Integer): Integer;
begin
  Result := Node(Value[A] * Value[B], 0.0, [A, B], True);
end;

function TTape.Shift(A: Integer; C: Double): Integer;
begin
  Result := Node(Value[A] + C, 1.0, [A]);
end;

function TTape.Scale(A: Integer; C: Double): Integer;
begin
  Result := Node(Value[A] * C, C, [A]);
end;

function TTape.Power(A: Integer; C: Double): Integer;
begin
  Result := Node(ExactPower(Value[A], C), C * ExactPower(Value[A], C - 1.0), [A]);
end;

function TTape.Ln(A: Integer): Integer;
begin
  Result := Node(ExactLn(Value[A]), 1.0 / Value[A], [A]);
end;

function TTape.Exp(A: Integer): Integer;
var
  Y: Double;
begin
  Y := ExactExp(Value[A]);
  Result := Node(Y, Y, [A]);
end;

function TTape.Relu(A: Integer): Integer;
begin
  if Value[A] > 0.0 then
    Result := Node(Value[A], 1.0, [A])
  else
    Result := Node(0.0, 0.0, [A]);
end;

function TTape.Sum(const X: TIntegers): Integer;
var
  Each: Integer;
  Total: Double;
begin
  Total := 0.0;
  for Each in X do
    Total := Total + Value[Each];
  Result := Node(Total, 1.0, X);
end;

function TTape.Dot(const W, X: TIntegers): Integer;
var
  I: Integer;
  Pairs: TIntegers;
  Total: Double;
begin
  SetLength(Pairs, 2 * Length(W));
  Total := 0.0;
  for I := 0 to High(W) do
  begin
    Pairs[2 * I] := W[I];
    Pairs[2 * I + 1] := X[I];
    Total := Total + Value[W[I]] * Value[X[I]];
  end;
  Result := Node(Total, 0.0, Pairs, True);
end;

{ Every division has a pow node of its own; they are alike. }
function TTape.Softmax(const X: TIntegers): TIntegers;
var
  I, Total: Integer;
  Top, Inverse, Local: Double;
begin
  Top := Value[X[0]];
  for I in X do
    if Value[I] > Top then
      Top := Value[I];
  SetLength(Result, Length(X));
  for I := 0 to High(X) do
    Result[I] := Exp(Shift(X[I], -Top));
  Total := Sum(Result);
  Inverse := 1.0 / Value[Total];
  Local := -1.0 * ExactPower(Value[Total], -2.0);
  for I := 0 to High(X) do
    Result[I] := Mul(Result[I], Node(Inverse, Local, [Total]));
end;

{ The order is depth-first, without recursion: Next is the child that a node visits next, or -1 before its visit. }
procedure TTape.Backward(Root: Integer);
var
  Next, Path, Order: TIntegers;
  Depth, Count, I, J, A, B: Integer;
  G: Double;
begin
  SetLength(Next, FSize);
  SetLength(Path, FSize);
  SetLength(Order, FSize);
  for I := 0 to FSize - 1 do
  begin
    Next[I] := -Ord(FEntries[I].Children > 0); { a leaf has nothing to visit }
    Gradient[I] := 0.0;
  end;
  Next[Root] := 0;
  Path[0] := Root;
  Depth := 1;
  Count := 0;
  while Depth > 0 do
  begin
    I := Path[Depth - 1];
    if Next[I] = FEntries[I].Children then
    begin
      Order[Count] := I;
      Inc(Count);
      Dec(Depth);
      Continue;
    end;
    J := FChildren[FEntries[I].First + Next[I]];
    Inc(Next[I]);
    if Next[J] < 0 then
    begin
      Next[J] := 0;
      Path[Depth] := J;
      Inc(Depth);
    end;
  end;
  Gradient[Root] := 1.0;
  for I := Count - 1 downto 0 do
    with FEntries[Order[I]] do
    begin
      G := Gradient[Order[I]];
      J := First;
      while J < First + Children do
      begin
        A := FChildren[J];
        if IsProduct then
        begin
          B := FChildren[J + 1];
          Gradient[A] := Gradient[A] + Value[B] * G;
          Gradient[B] := Gradient[B] + Value[A] * G;
          Inc(J, 2);
        end
        else
        begin
          Gradient[A] := Gradient[A] + Local * G;
          Inc(J);
        end;
      end;
    end;
end;

procedure TShape.MakeMatrices;

  procedure Add(const Name: string; Rows, Columns: Integer);
  begin
    SetLength(Matrices, Length(Matrices) + 1);
    Matrices[High(Matrices)].Name := Name;
    Matrices[High(Matrices)].Rows := Rows;
    Matrices[High(Matrices)].Columns := Columns;
    Matrices[High(Matrices)].First := Parameters;
    Inc(Parameters, Rows * Columns);
  end;

var
  I: Integer;
  Layer: string;
begin
  Add('wte', Vocabulary, Embedding);
  Add('wpe', Block, Embedding);
  Add('lm_head', Vocabulary, Embedding);
  for I := 0 to Layers - 1 do
  begin
    Layer := Format('layer%d.', [I]);
    Add(Layer + 'attn_wq', Embedding, Embedding);
    Add(Layer + 'attn_wk', Embedding, Embedding);
    Add(Layer + 'attn_wv', Embedding, Embedding);
    Add(Layer + 'attn_wo', Embedding, Embedding);
    Add(Layer + 'mlp_fc1', 4 * Embedding, Embedding);
    Add(Layer + 'mlp_fc2', Embedding, 4 * Embedding);
  end;
end;

function TShape.Take(Request: TRequest; const Prefix: string): TDoubles;
var
  Matrix: TMatrix;
  Rows, Columns: Integer;
begin
  Result := nil;
  for Matrix in Matrices do
  begin
    Rows := Matrix.Rows;
    Columns := Matrix.Columns;
    Request.TakeTensor(Prefix + Matrix.Name, Rows, Columns, Result);
  end;
end;

procedure TShape.Put(Reply: TReply; const Prefix: string; const X: TDoubles);
var
  Matrix: TMatrix;
begin
  for Matrix in Matrices do
    Reply.PutTensor(Prefix + Matrix.Name, Matrix.Rows, Matrix.Columns, X, Matrix.First);
end;

constructor TModel.Create(AShape: TShape; const Parameters: TDoubles);
var
  I, R, C: Integer;
  X: Double;
begin
  Shape := AShape;
  Tape := TTape.Create;
  for X in Parameters do
    Tape.Leaf(X);
  SetLength(FKeys, Shape.Layers, Shape.Block);
  SetLength(FValues, Shape.Layers, Shape.Block);
  SetLength(FRows, Length(Shape.Matrices));
  for I := 0 to High(FRows) do
    with Shape.Matrices[I] do
    begin
      SetLength(FRows[I], Rows, Columns);
      for R := 0 to Rows - 1 do
        for C := 0 to Columns - 1 do
          FRows[I][R][C] := First + R * Columns + C;
    end;
end;

destructor TModel.Destroy;
begin
  Tape.Free;
  Shape.Free;
  inherited;
end;

procedure TModel.Note(const Name: string; const X: TIntegers; Position, Layer, Head: Integer);
var
  I: Integer;
  Values: TDoubles;
begin
  if not Assigned(OnNote) then
    Exit;
  SetLength(Values, Length(X));
  for I := 0 to High(X) do
    Values[I] := Tape.Value[X[I]];
  OnNote(Name, Values, Position, Layer, Head);
end;

function TModel.Linear(const X: TIntegers; Matrix: Integer): TIntegers;
var
  I: Integer;
begin
  SetLength(Result, Length(FRows[Matrix]));
  for I := 0 to High(Result) do
    Result[I] := Tape.Dot(FRows[Matrix][I], X);
end;

function TModel.Rmsnorm(const X: TIntegers): TIntegers;
var
  I, Scale: Integer;
begin
  Scale := Tape.Scale(Tape.Dot(X, X), 1.0 / Double(Length(X)));
  Scale := Tape.Power(Tape.Shift(Scale, OneHundredThousandth), -0.5);
  SetLength(Result, Length(X));
  for I := 0 to High(X) do
    Result[I] := Tape.Mul(X[I], Scale);
end;

function TModel.Sum(const X, Y: TIntegers): TIntegers;
var
  I: Integer;
begin
  SetLength(Result, Length(X));
  for I := 0 to High(X) do
    Result[I] := Tape.Add(X[I], Y[I]);
end;

{ The values at the positions to which T attends, mixed head by head. }
function TModel.Attention(const Q: TIntegers; T, Layer: Integer): TIntegers;
var
  List, Scores, Column, QPart: TIntegers;
  Head, Size, S, J: Integer;
  Divisor: Double;
begin
  List := Shape.Attend[T];
  Size := Length(Q) div Shape.Heads;
  Divisor := 1.0 / Sqrt(Double(Size));
  SetLength(Result, Length(Q));
  SetLength(Column, Length(List));
  for Head := 0 to Shape.Heads - 1 do
  begin
    QPart := Copy(Q, Head * Size, Size);
    Scores := nil;
    SetLength(Scores, Length(List));
    for S := 0 to High(List) do
      Scores[S] := Tape.Scale(Tape.Dot(QPart, Copy(FKeys[Layer][List[S]], Head * Size, Size)), Divisor);
    Note('scores', Scores, T, Layer, Head);
    Scores := Tape.Softmax(Scores);
    Note('weights', Scores, T, Layer, Head);
    for J := Head * Size to Head * Size + Size - 1 do
    begin
      for S := 0 to High(List) do
        Column[S] := FValues[Layer][List[S]][J];
      Result[J] := Tape.Dot(Scores, Column);
    end;
    Note('mixed', Copy(Result, Head * Size, Size), T, Layer, Head);
  end;
end;

function TModel.Logits(Token, T: Integer): TIntegers;
var
  X, Y, Q: TIntegers;
  Layer, W, I: Integer;
begin
  X := Sum(FRows[0][Token], FRows[1][T]);
  Note('embedded', X, T);
  X := Rmsnorm(X);
  Note('normed', X, T);
  for Layer := 0 to Shape.Layers - 1 do
  begin
    W := 3 + 6 * Layer;
    Y := Rmsnorm(X);
    Note('attn_norm', Y, T, Layer);
    Q := Linear(Y, W);
    Note('q', Q, T, Layer);
    FKeys[Layer][T] := Linear(Y, W + 1);
    Note('k', FKeys[Layer][T], T, Layer);
    FValues[Layer][T] := Linear(Y, W + 2);
    Note('v', FValues[Layer][T], T, Layer);
    Y := Linear(Attention(Q, T, Layer), W + 3);
    Note('attn_out', Y, T, Layer);
    X := Sum(Y, X);
    Note('attn_residual', X, T, Layer);
    Y := Rmsnorm(X);
    Note('mlp_norm', Y, T, Layer);
    Y := Linear(Y, W + 4);
    Note('hidden', Y, T, Layer);
    for I := 0 to High(Y) do
    begin
      Y[I] := Tape.Relu(Y[I]);
      if Shape.IsSquared then
        Y[I] := Tape.Power(Y[I], 2.0);
    end;
    Note('activated', Y, T, Layer);
    Y := Linear(Y, W + 5);
    Note('mlp_out', Y, T, Layer);
    X := Sum(Y, X);
    Note('mlp_residual', X, T, Layer);
  end;
  Result := Linear(X, 2);
  Note('logits', Result, T);
end;

function TModel.Loss(const Tokens: TIntegers): Integer;
var
  T: Integer;
  Probabilities, Losses: TIntegers;
begin
  Tape.CutTo(Shape.Parameters);
  SetLength(Losses, Min(Shape.Block, High(Tokens)));
  for T := 0 to High(Losses) do
  begin
    Probabilities := Tape.Softmax(Logits(Tokens[T], T));
    Note('probabilities', Probabilities, T);
    Losses[T] := Tape.Scale(Tape.Ln(Probabilities[Tokens[T + 1]]), -1.0);
    Note('loss', Copy(Losses, T, 1), T);
  end;
  Result := Tape.Scale(Tape.Sum(Losses), 1.0 / Double(Length(Losses)));
end;

function TModel.Sample(Temperature: Double; Twister: TTwister): TIntegers;
var
  T, I, Token, Bos: Integer;
  Scaled: TIntegers;
  Probabilities: TDoubles;
begin
  Tape.CutTo(Shape.Parameters);
  Result := nil;
  Bos := Shape.Vocabulary - 1;
  Token := Bos;
  for T := 0 to Shape.Block - 1 do
  begin
    Scaled := Logits(Token, T);
    for I := 0 to Bos do
      Scaled[I] := Tape.Scale(Scaled[I], 1.0 / Temperature);
    Scaled := Tape.Softmax(Scaled);
    Probabilities := nil;
    SetLength(Probabilities, Length(Scaled));
    for I := 0 to Bos do
      Probabilities[I] := Tape.Value[Scaled[I]];
    Token := Twister.Choice(Probabilities);
    if Assigned(OnDraw) then
      OnDraw(Probabilities, Token);
    if Token = Bos then
      Break;
    Insert(Token, Result, Length(Result));
  end;
end;

function TModel.Parameters: TDoubles;
begin
  Result := Copy(Tape.Value, 0, Shape.Parameters);
end;

function TModel.Gradients: TDoubles;
begin
  Result := Copy(Tape.Gradient, 0, Shape.Parameters);
end;

function Rate(const Adam: TAdam; Step: Integer): Double;
var
  S, N: Double;
begin
  S := Step;
  N := Adam.Steps;
  if Adam.IsCosine then
    Result := (Adam.LearningRate * 0.5) * (1.0 + ExactCos((Pi53 * S) / N))
  else
    Result := Adam.LearningRate * (1.0 - S / N);
end;

function Correction(Beta: Double; Step: Integer): Double;
begin
  Result := 1.0 - ExactPower(Beta, Step + 1);
end;

procedure Update(const Adam: TAdam; Step: Integer; P, G, M, V: TDoubles);
var
  I: Integer;
  StepRate, Correction1, Correction2, Root: Double;
begin
  StepRate := Rate(Adam, Step);
  Correction1 := Correction(Adam.Beta1, Step);
  Correction2 := Correction(Adam.Beta2, Step);
  for I := 0 to High(M) do
  begin
    M[I] := Adam.Beta1 * M[I] + (1.0 - Adam.Beta1) * G[I];
    V[I] := Adam.Beta2 * V[I] + (1.0 - Adam.Beta2) * (G[I] * G[I]);
    Root := V[I] / Correction2;
    if Root > 0.0 then
      Root := Sqrt(Root)
    else
      Root := ExactPower(Root, 0.5);
    P[I] := P[I] - (StepRate * (M[I] / Correction1)) / (Root + Adam.Epsilon);
  end;
end;

function Train(const Adam: TAdam; Step: Integer; Model: TModel; const Tokens: TIntegers; M, V: TDoubles): Double;
var
  Root: Integer;
begin
  Root := Model.Loss(Tokens);
  Result := Model.Tape.Value[Root];
  Model.Tape.Backward(Root);
  Update(Adam, Step, Model.Tape.Value, Model.Tape.Gradient, M, V);
end;

procedure AddDocument(var Documents: TDocuments; var Count: Integer; const Line: TIntegers);

  function IsSpace(Point: Integer): Boolean;
  begin
    Result := (Point = 32) or (Point >= 9) and (Point <= 13);
  end;

var
  First, Last: Integer;
begin
  First := 0;
  Last := High(Line);
  while (First <= Last) and IsSpace(Line[First]) do
    Inc(First);
  while (Last >= First) and IsSpace(Line[Last]) do
    Dec(Last);
  if First > Last then
    Exit;
  if Count = Length(Documents) then
    SetLength(Documents, 2 * Count + 64);
  Documents[Count] := Copy(Line, First, Last - First + 1);
  Inc(Count);
end;

function VocabularyOf(const Documents: TDocuments): TIntegers;
var
  Known: array of Boolean;
  Document: TIntegers;
  Point: Integer;
begin
  Result := nil;
  SetLength(Known, $110000);
  for Document in Documents do
    for Point in Document do
      Known[Point] := True;
  for Point := 0 to High(Known) do
    if Known[Point] then
      Insert(Point, Result, Length(Result));
  if Result = nil then
    raise EBadRequest.Create('the dataset has no documents');
  if Length(Result) > 2047 then
    raise EBadRequest.Create('the dataset has more than 2047 distinct characters');
end;

function Encoded(const Document, Points: TIntegers): TIntegers;
var
  I, Low, High, Middle: Integer;
begin
  SetLength(Result, Length(Document) + 2);
  Result[0] := Length(Points);
  Result[Length(Document) + 1] := Length(Points);
  for I := 0 to Length(Document) - 1 do
  begin
    Low := 0;
    High := Length(Points) - 1;
    while Low < High do
    begin
      Middle := (Low + High) div 2;
      if Points[Middle] < Document[I] then
        Low := Middle + 1
      else
        High := Middle;
    end;
    Result[I + 1] := Low;
  end;
end;

constructor TRun.Create(IsSeed: Boolean; Steps, Samples: Integer; const Documents: TDocuments; Print: TPrintEvent);
const
  { beta1, beta2 and sigma, of classic and seed; typed, so that they are doubles }
  Settings: array[Boolean, 0..2] of Double = ((0.85, 0.99, 0.08), (0.9, 0.95, 0.02));
  LearningRate: Double = 0.01;
  Epsilon: Double = 1E-8;
var
  Points, Order, Sampled: TIntegers;
  Shape: TShape;
  Matrix: TMatrix;
  Adam: TAdam;
  Numbers: TDoubles;
  I, K: Integer;
  Sigma: Double;
begin
  Points := VocabularyOf(Documents);
  Twister := TTwister.Create(42);
  Order := Twister.Shuffled(Length(Documents));
  Shape := TShape.Create;
  Shape.Layers := 1;
  Shape.Heads := 4;
  Shape.Embedding := 16;
  Shape.Block := 16 shr Ord(IsSeed);
  Shape.Vocabulary := Length(Points) + 1;
  Shape.IsSquared := IsSeed;
  Shape.MakeMatrices;
  SetLength(Shape.Attend, Shape.Block);
  for I := 0 to Shape.Block - 1 do
  begin
    SetLength(Shape.Attend[I], I + 1);
    for K := 0 to I do
      Shape.Attend[I][K] := K;
  end;
  SetLength(Numbers, Shape.Parameters);
  for Matrix in Shape.Matrices do
  begin
    Sigma := Settings[IsSeed, 2];
    if IsSeed and ((Matrix.Name = 'layer0.attn_wo') or (Matrix.Name = 'layer0.mlp_fc2')) then
      Sigma := 0.0;
    for K := Matrix.First to Matrix.First + Matrix.Rows * Matrix.Columns - 1 do
      Numbers[K] := Twister.Gauss(Sigma);
  end;
  Model := TModel.Create(Shape, Numbers);
  SetLength(M, Shape.Parameters);
  SetLength(V, Shape.Parameters);
  Adam.LearningRate := LearningRate;
  Adam.Beta1 := Settings[IsSeed, 0];
  Adam.Beta2 := Settings[IsSeed, 1];
  Adam.Epsilon := Epsilon;
  Adam.IsCosine := IsSeed;
  Adam.Steps := Steps;
  Print(Format('num docs: %d', [Length(Documents)]), nil);
  Print(Format('vocab size: %d', [Shape.Vocabulary]), nil);
  Print(Format('num params: %d', [Shape.Parameters]), nil);
  for I := 0 to Steps - 1 do
    Print(Format('step %4d / %4d | loss %s', [I + 1, Steps,
      Decimals(Train(Adam, I, Model, Encoded(Documents[Order[I mod Length(Order)]], Points), M, V))]), nil);
  Print('', nil);
  Print('--- inference (new, hallucinated names) ---', nil);
  for I := 1 to Samples do
  begin
    Sampled := Model.Sample(0.5, Twister);
    for K := 0 to High(Sampled) do
      Sampled[K] := Points[Sampled[K]];
    Print(Format('sample %2d: ', [I]), Sampled);
  end;
end;

destructor TRun.Destroy;
begin
  Model.Free;
  Twister.Free;
  inherited;
end;

end.
