{ Random numbers, tokens, the model, its training, and a whole run (SPEC, sections 3, 4 and 6 to 10). }
unit Gpt;

{$mode objfpc}{$H+}{$modeswitch advancedrecords}{$modeswitch nestedprocvars}{$EXCESSPRECISION OFF}

interface

uses
  Exact, Protocol, Tape;

type
  { The Mersenne Twister MT19937, used as Python uses it. }
  TTwister = record
    Words: array[0..623] of LongWord;
    Index: Integer;
    HasKept: Boolean;
    Kept: Double;
    procedure Seed(Key: LongWord);
    function NextWord: LongWord;
    function Random: Double;
    function Gauss(Sigma: Double): Double;
    function Shuffled(Count: Integer): TIntegers;
    function Choice(const Weights: TDoubles): Integer;
  end;

  TDataset = record
    Documents: array of TIntegers; { code points; tokens between two BOS, once they are encoded }
    Count: Integer;
    Points: TIntegers;             { by token }
    procedure Add(const Line: TIntegers);
    procedure Encode;
  end;

  TMatrix = record
    Name: string;
    Rows, Columns: Integer;
    Weights: TVector;
  end;

  TModel = record
  private
    FKeys, FValues: array of array of TVector; { by layer and position }
    function Note(const Name: string; const Place: array of const; X: TVector): TVector;
    function Linear(X: TVector; const Matrix: TMatrix): TVector;
    function Attention(Q: TVector; T, Layer: Integer): TVector;
    function Logits(Token, T: Integer): TVector;
  public
    Layers, Heads, Embedding, Block, Vocabulary: Integer;
    IsSquared: Boolean;          { the activation is the square of relu }
    Attend: array of TIntegers;  { for each position, those it attends to }
    Matrices: array of TMatrix;
    Weights: TVector;            { of all matrices: the first nodes of the tape }
    Tape: TTape;
    M, V: TDoubles;
    Trace: ^TReply;              { gets the activations, if there is one }
    procedure MakeMatrices;
    procedure Start(const Numbers: TDoubles);
    function Loss(const Tokens: TIntegers): TVector;
    { the probabilities of what follows the token at position T }
    function Predict(T, Token: Integer; Temperature: Double): TDoubles;
  end;

  TAdam = record
    LearningRate, Beta1, Beta2, Epsilon: Double;
    IsCosine: Boolean;
    Steps: Integer;
    function Rate(Step: Integer): Double;
    procedure Update(Step: Integer; P, G, M, V: TDoubles); { as many of P as there are of M }
    function Train(Step: Integer; var Model: TModel; const Tokens: TIntegers): Double;
  end;

  TPreset = record
    Block: Integer;
    IsSquared: Boolean;
    Sigma, SigmaOut: Double;
    Adam: TAdam;
  end;
  TPrint = procedure(const Line: string) is nested;

const
  { classic and seed }
  Presets: array[Boolean] of TPreset = (
    (Block: 16; IsSquared: False; Sigma: 0.08; SigmaOut: 0.08;
      Adam: (LearningRate: 0.01; Beta1: 0.85; Beta2: 0.99; Epsilon: 1E-8; IsCosine: False; Steps: 1000)),
    (Block: 8; IsSquared: True; Sigma: 0.02; SigmaOut: 0.0;
      Adam: (LearningRate: 0.01; Beta1: 0.9; Beta2: 0.95; Epsilon: 1E-8; IsCosine: True; Steps: 500)));

function Correction(Beta: Double; Step: Integer): Double;
function UTF8(Point: Int64): string;
procedure Run(const Preset: TPreset; Samples: Integer; var Data: TDataset; var Model: TModel; var Twister: TTwister;
  Print: TPrint);

implementation

uses
  Math, SysUtils;

procedure TTwister.Seed(Key: LongWord);

  procedure Mix(I: Integer; Factor, Summand: QWord);
  begin
    Words[I] := LongWord((Words[I] xor LongWord(Factor * (Words[I - 1] xor (Words[I - 1] shr 30)))) + Summand);
  end;

var
  I, K: Integer;
begin
  FillChar(Words, SizeOf(Words), 0);
  Words[0] := 19650218;
  for I := 1 to 623 do
    Mix(I, 1812433253, I);
  I := 1;
  for K := 1 to 624 + 623 do
  begin
    if K <= 624 then
      Mix(I, 1664525, Key)
    else
      Mix(I, 1566083941, -I);
    Inc(I);
    if I = 624 then
    begin
      Words[0] := Words[623];
      I := 1;
    end;
  end;
  Words[0] := $80000000;
  Index := 624;
  HasKept := False;
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
      Words[I] := Words[(I + 397) mod 624] xor (Result shr 1) xor (2567483615 * (Result and 1));
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
const
  TwoPi: Double = 6.283185307179586;
var
  X, R: Double;
begin
  HasKept := not HasKept;
  if HasKept then
  begin
    X := Random * TwoPi;
    R := Sqrt(-2.0 * ExactLn(1.0 - Random));
    Kept := ExactSin(X) * R;
    Result := ExactCos(X) * R * Sigma;
  end
  else
    Result := Kept * Sigma;
  Result := Result + 0.0;
end;

function TTwister.Shuffled(Count: Integer): TIntegers;
var
  I: Integer;
  J: LongWord;
begin
  SetLength(Result, Count);
  for I := 0 to Count - 1 do
    Result[I] := I;
  for I := Count - 1 downto 1 do
  begin
    repeat
      J := NextWord shr (31 - BsrDWord(I + 1));
    until J <= LongWord(I);
    Count := Result[I];
    Result[I] := Result[J];
    Result[J] := Count;
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
  if IsNaN(Sums[Last]) or IsInfinite(Sums[Last]) or (Sums[Last] <= 0.0) then
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

procedure TDataset.Add(const Line: TIntegers);
var
  First, Last: Integer;
  Point: Int64;
begin
  for Point in Line do
    if (Point > $10FFFF) or (Point shr 11 = $1B) then
      raise EBadRequest.Create('a surrogate, or what is greater than 1114111, is not a code point');
  First := 0;
  Last := High(Line);
  while (First <= Last) and (Line[First] in [9..13, 32]) do
    Inc(First);
  while (Last >= First) and (Line[Last] in [9..13, 32]) do
    Dec(Last);
  if First > Last then
    Exit;
  if Count = Length(Documents) then
    SetLength(Documents, 2 * Count + 64);
  Documents[Count] := Copy(Line, First, Last - First + 1);
  Inc(Count);
end;

procedure TDataset.Encode;
var
  Tokens: TIntegers; { by code point }
  I, Bos: Integer;
  Document: TIntegers;
  Point: Int64;
begin
  SetLength(Documents, Count);
  SetLength(Tokens, $110000);
  for Document in Documents do
    for Point in Document do
      Tokens[Point] := 1;
  Bos := 0;
  SetLength(Points, $110000);
  for I := 0 to High(Tokens) do
    if Tokens[I] = 1 then
    begin
      Tokens[I] := Bos;
      Points[Bos] := I;
      Inc(Bos);
    end;
  SetLength(Points, Bos);
  if Count = 0 then
    raise EBadRequest.Create('the dataset has no documents');
  if Bos > 2047 then
    raise EBadRequest.Create('the dataset has more than 2047 distinct characters');
  for Document in Documents do
    for I := 0 to High(Document) do
      Document[I] := Tokens[Document[I]];
  for I := 0 to Count - 1 do
  begin
    Insert(Bos, Documents[I], 0);
    Insert(Bos, Documents[I], Length(Documents[I]));
  end;
end;

procedure TModel.MakeMatrices;

  procedure Add(const Name: string; Rows, Columns: Integer);
  var
    Matrix: TMatrix;
  begin
    Matrix.Name := Name;
    Matrix.Rows := Rows;
    Matrix.Columns := Columns;
    Matrix.Weights := Weights.Part(Weights.Count, Rows * Columns);
    Insert(Matrix, Matrices, Length(Matrices));
    Inc(Weights.Count, Rows * Columns);
  end;

var
  I: Integer;
  Layer: string;
begin
  Weights := Default(TVector);
  Matrices := nil;
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

procedure TModel.Start(const Numbers: TDoubles);
var
  X: Double;
begin
  for X in Numbers do
    Tape.Number(X);
  SetLength(M, Length(Numbers));
  SetLength(V, Length(Numbers));
  SetLength(FKeys, Layers, Block);
  SetLength(FValues, Layers, Block);
end;

function TModel.Note(const Name: string; const Place: array of const; X: TVector): TVector;
begin
  if Trace <> nil then
    Trace^.PutTensor(Format(Name, Place), 1, Tape.Values(X));
  Result := X;
end;

function TModel.Linear(X: TVector; const Matrix: TMatrix): TVector;
var
  I, First: Integer;
begin
  First := Tape.Size;
  for I := 0 to Matrix.Rows - 1 do
    Tape.DotProduct(Matrix.Weights.Part(I * Matrix.Columns, Matrix.Columns), X);
  Result := Tape.Since(First);
end;

{ The values at the positions to which T attends, mixed head by head. }
function TModel.Attention(Q: TVector; T, Layer: Integer): TVector;
var
  Scores, Shares: array of TVector;
  Head, Size, I, First: Integer;
  Divisor: Double;
begin
  Size := Embedding div Heads;
  Divisor := 1.0 / Sqrt(Double(Size));
  SetLength(Scores, Heads);
  SetLength(Shares, Heads);
  for Head := 0 to Heads - 1 do
  begin
    First := Tape.Size;
    for I in Attend[T] do
      Tape.DotProduct(Q.Part(Head * Size, Size), FKeys[Layer][I].Part(Head * Size, Size));
    Scores[Head] := Tape.Map(nkMul, Tape.Since(First), Divisor);
    Shares[Head] := Tape.Softmax(Scores[Head]);
  end;
  Result := Tape.Number(0.0);
  for I := 0 to High(Attend[T]) do
  begin
    First := Tape.Size;
    for Head := 0 to Heads - 1 do
      Tape.Map(nkMul, Shares[Head].Part(I), FValues[Layer][Attend[T][I]].Part(Head * Size, Size));
    Result := Tape.Map(nkAdd, Result, Tape.Since(First));
  end;
  for Head := 0 to Heads - 1 do
  begin
    Note('pos%d.layer%d.head%d.scores', [T, Layer, Head], Scores[Head]);
    Note('pos%d.layer%d.head%d.weights', [T, Layer, Head], Shares[Head]);
    Note('pos%d.layer%d.head%d.mixed', [T, Layer, Head], Result.Part(Head * Size, Size));
  end;
end;

function TModel.Logits(Token, T: Integer): TVector;
var
  X, Y, Q: TVector;
  I, W: Integer;

  function Row(Matrix, Number: Integer): TVector;
  begin
    Result := Matrices[Matrix].Weights.Part(Number * Embedding, Embedding);
  end;

begin
  X := Note('pos%d.embedded', [T], Tape.Map(nkAdd, Row(0, Token), Row(1, T)));
  X := Note('pos%d.normed', [T], Tape.Rmsnorm(X));
  for I := 0 to Layers - 1 do
  begin
    W := 3 + 6 * I;
    Y := Note('pos%d.layer%d.attn_norm', [T, I], Tape.Rmsnorm(X));
    Q := Note('pos%d.layer%d.q', [T, I], Linear(Y, Matrices[W]));
    FKeys[I][T] := Note('pos%d.layer%d.k', [T, I], Linear(Y, Matrices[W + 1]));
    FValues[I][T] := Note('pos%d.layer%d.v', [T, I], Linear(Y, Matrices[W + 2]));
    Y := Note('pos%d.layer%d.attn_out', [T, I], Linear(Attention(Q, T, I), Matrices[W + 3]));
    X := Note('pos%d.layer%d.attn_residual', [T, I], Tape.Map(nkAdd, Y, X));
    Y := Note('pos%d.layer%d.mlp_norm', [T, I], Tape.Rmsnorm(X));
    Y := Note('pos%d.layer%d.hidden', [T, I], Linear(Y, Matrices[W + 4]));
    Y := Tape.Map(nkRelu, Y);
    if IsSquared then
      Y := Tape.Map(nkPow, Y, 2.0);
    Note('pos%d.layer%d.activated', [T, I], Y);
    Y := Note('pos%d.layer%d.mlp_out', [T, I], Linear(Y, Matrices[W + 5]));
    X := Note('pos%d.layer%d.mlp_residual', [T, I], Tape.Map(nkAdd, Y, X));
  end;
  Result := Note('pos%d.logits', [T], Linear(X, Matrices[2]));
end;

function TModel.Loss(const Tokens: TIntegers): TVector;
var
  T, Count: Integer;
  X: TVector;
begin
  Tape.CutTo(Weights.Count);
  Count := Min(Block, High(Tokens));
  Result := Tape.Number(0.0);
  for T := 0 to Count - 1 do
  begin
    X := Note('pos%d.probabilities', [T], Tape.Softmax(Logits(Tokens[T], T)));
    X := Tape.Map(nkMul, Tape.Map(nkLog, X.Part(Tokens[T + 1])), -1.0);
    Result := Tape.Map(nkAdd, Result, Note('pos%d.loss', [T], X));
  end;
  Result := Tape.Map(nkMul, Result, 1.0 / Double(Count));
end;

function TModel.Predict(T, Token: Integer; Temperature: Double): TDoubles;
begin
  if T = 0 then
    Tape.CutTo(Weights.Count);
  Result := Tape.Values(Tape.Softmax(Tape.Map(nkMul, Logits(Token, T), 1.0 / Temperature)));
end;

function TAdam.Rate(Step: Integer): Double;
const
  Pi: Double = 3.141592653589793;
var
  S, N: Double;
begin
  S := Step;
  N := Steps;
  if IsCosine then
    Result := (LearningRate * 0.5) * (1.0 + ExactCos((Pi * S) / N))
  else
    Result := LearningRate * (1.0 - S / N);
end;

function Correction(Beta: Double; Step: Integer): Double;
begin
  Result := 1.0 - ExactPower(Beta, Step + 1);
end;

procedure TAdam.Update(Step: Integer; P, G, M, V: TDoubles);
var
  I: Integer;
  StepRate, Correction1, Correction2: Double;
begin
  StepRate := Rate(Step);
  Correction1 := Correction(Beta1, Step);
  Correction2 := Correction(Beta2, Step);
  for I := 0 to High(M) do
  begin
    M[I] := Beta1 * M[I] + (1.0 - Beta1) * G[I];
    V[I] := Beta2 * V[I] + (1.0 - Beta2) * (G[I] * G[I]);
    P[I] := P[I] - (StepRate * (M[I] / Correction1)) / (ExactPower(V[I] / Correction2, 0.5) + Epsilon);
  end;
end;

function TAdam.Train(Step: Integer; var Model: TModel; const Tokens: TIntegers): Double;
var
  Root: TVector;
begin
  Root := Model.Loss(Tokens);
  Result := Model.Tape.Value[Root.First];
  Model.Tape.Backward(Root);
  Update(Step, Model.Tape.Value, Model.Tape.Gradient, Model.M, Model.V);
end;

function UTF8(Point: Int64): string;
var
  More: Integer;
begin
  Result := '';
  More := Ord(Point >= $80) + Ord(Point >= $800) + Ord(Point >= $10000);
  if More = 0 then
    Exit(Chr(Point));
  for More := More downto 1 do
  begin
    Result := Chr($80 or Point and $3F) + Result;
    Point := Point shr 6;
  end;
  Result := Chr($FF00 shr (Length(Result) + 1) and $FF or Point) + Result;
end;

procedure Run(const Preset: TPreset; Samples: Integer; var Data: TDataset; var Model: TModel; var Twister: TTwister;
  Print: TPrint);
var
  Order: TIntegers;
  Numbers: TDoubles;
  Matrix: TMatrix;
  I, T, Token: Integer;
  Sigma: Double;
  Line: string;
begin
  Data.Encode;
  Twister.Seed(42);
  Order := Twister.Shuffled(Data.Count);
  Model.Layers := 1;
  Model.Heads := 4;
  Model.Embedding := 16;
  Model.Block := Preset.Block;
  Model.Vocabulary := Length(Data.Points) + 1;
  Model.IsSquared := Preset.IsSquared;
  Model.MakeMatrices;
  SetLength(Model.Attend, Model.Block);
  for I := 0 to Model.Block - 1 do
  begin
    SetLength(Model.Attend[I], I + 1);
    for T := 0 to I do
      Model.Attend[I][T] := T;
  end;
  SetLength(Numbers, Model.Weights.Count);
  for Matrix in Model.Matrices do
  begin
    Sigma := Preset.Sigma;
    if (Matrix.Name = 'layer0.attn_wo') or (Matrix.Name = 'layer0.mlp_fc2') then
      Sigma := Preset.SigmaOut;
    for I := Matrix.Weights.First to Matrix.Weights.First + Matrix.Weights.Count - 1 do
      Numbers[I] := Twister.Gauss(Sigma);
  end;
  Model.Start(Numbers);
  Print(Format('num docs: %d', [Data.Count]));
  Print(Format('vocab size: %d', [Model.Vocabulary]));
  Print(Format('num params: %d', [Model.Weights.Count]));
  for I := 0 to Preset.Adam.Steps - 1 do
    Print(Format('step %4d / %4d | loss %s', [I + 1, Preset.Adam.Steps,
      Decimals(Preset.Adam.Train(I, Model, Data.Documents[Order[I mod Data.Count]]))]));
  Print('');
  Print('--- inference (new, hallucinated names) ---');
  for I := 1 to Samples do
  begin
    Line := Format('sample %2d: ', [I]);
    Token := Model.Vocabulary - 1;
    for T := 0 to Model.Block - 1 do
    begin
      Token := Twister.Choice(Model.Predict(T, Token, 0.5));
      if Token = Model.Vocabulary - 1 then
        Break;
      Line := Line + UTF8(Data.Points[Token]);
    end;
    Print(Line);
  end;
end;

end.
