{ The port pascal of microgpt: a method for each verb (SPEC, section 12), and the command line. }
program Microgpt;

{$mode objfpc}{$H+}{$EXCESSPRECISION OFF}

uses
  SysUtils, Exact, Gpt, Protocol;

const
  Verbs: array[0..11] of string = ('hello', 'arith', 'math', 'random', 'tokens', 'graph', 'forward', 'backward', 'adam',
    'train', 'sample', 'run');
  Other = 'an unknown key, or values that it does not take';
  NoUTF8 = 'the input is not UTF-8';

type
  { One request on its way to its reply. }
  TAnswer = class
  private
    Request: TRequest;
    Reply: TReply;
    Model: TModel;
    procedure Hello;
    procedure Arith;
    procedure MathVerb;
    procedure Random;
    procedure Tokens;
    procedure Graph;
    procedure Forward;
    procedure Backward;
    procedure Adam;
    procedure Train;
    procedure Sample;
    procedure Run;
    procedure Note(const Name: string; const X: TDoubles; Position, Layer, Head: Integer);
    procedure Draw(const Probabilities: TDoubles; Token: Integer);
    procedure PutPoints(const Text: string; const Points: TIntegers);
    procedure AnswerVerb;
    function Exponent(Limit: Double): Double;
    function Expression(Tape: TTape; const Nodes: TIntegers; Count: Integer): Integer;
    function TakeDataset: TDocuments;
    function TakeShape: TShape;
    function TakeDocument(Shape: TShape): TIntegers;
    function TakeAdam: TAdam;
    procedure TakeModel(Shape: TShape);
    function TakeModelAndDocument: TIntegers;
  public
    constructor Create(ARequest: TRequest);
    destructor Destroy; override;
  end;

function PointsOf(const Text: string; const More: TIntegers): TIntegers;
var
  I: Integer;
begin
  SetLength(Result, Length(Text) + Length(More));
  for I := 1 to Length(Text) do
    Result[I - 1] := Ord(Text[I]);
  for I := 0 to High(More) do
    Result[Length(Text) + I] := More[I];
end;

procedure TAnswer.Hello;
var
  Verb, Names: string;
begin
  Request.Finish;
  Names := '';
  for Verb in Verbs do
    Names := Names + ' ' + Verb;
  Reply.Line('name pascal');
  Reply.Line('protocol 1');
  Reply.Line('verbs' + Names);
  Reply.Line('math exact');
end;

procedure TAnswer.Arith;
var
  X: TDoubles;
  Y: Double;
  I: Integer;
begin
  repeat
    Request.TakeNext;
    X := Request.Numbers(1);
    Y := 0.0;
    if Request.IsLine('add', 2) then
      Y := X[0] + X[1]
    else if Request.IsLine('sub', 2) then
      Y := X[0] - X[1]
    else if Request.IsLine('mul', 2) then
      Y := X[0] * X[1]
    else if Request.IsLine('div', 2) then
      Y := X[0] / X[1]
    else if Request.IsLine('sqrt', 1) then
      Y := Sqrt(X[0])
    else if Request.IsLine('muladd', 3) then
      Y := X[0] * X[1] + X[2]
    else if (Request.Key = 'sum') and (X <> nil) then
      for I := 0 to High(X) do
        Y := Y + X[I]
    else if (Request.Key = 'dot') and (X <> nil) and not Odd(Length(X)) then
      for I := 0 to High(X) div 2 do
        Y := Y + X[2 * I] * X[2 * I + 1]
    else if Request.IsLine('decimals', 1) and not (IsFinite(X[0]) and (Abs(X[0]) > 9007199254740992.0)) then
    begin
      Reply.Put('decimals', PointsOf(Decimals(X[0]), nil));
      Continue;
    end
    else
      raise EBadRequest.Create(Other);
    Reply.Put(Request.Key, Y);
  until Request.AtEnd;
end;

{ The second value, which must be an integer or half-integer. }
function TAnswer.Exponent(Limit: Double): Double;
begin
  Result := Request.Number(2);
  if not IsFinite(Result) or (Abs(Result) > Limit) or (Frac(2.0 * Result) <> 0.0) then
    raise EBadRequest.Create('an exponent is an integer or half-integer, and not too large');
end;

procedure TAnswer.MathVerb;
var
  X, Y: Double;
  IsAngle: Boolean;
begin
  Request.TakeMath;
  repeat
    Request.TakeNext;
    X := Request.Number(1);
    IsAngle := (BitsOf(X) = NaNBits) or (Abs(X) <= 8.0);
    if Request.IsLine('exp', 1) then
      Y := ExactExp(X)
    else if Request.IsLine('log', 1) then
      Y := ExactLn(X)
    else if Request.IsLine('sin', 1) and IsAngle then
      Y := ExactSin(X)
    else if Request.IsLine('cos', 1) and IsAngle then
      Y := ExactCos(X)
    else if Request.IsLine('pow', 2) then
      Y := ExactPower(X, Exponent(4096.0))
    else
      raise EBadRequest.Create(Other);
    Reply.Put(Request.Key, Y);
  until Request.AtEnd;
end;

procedure TAnswer.Random;
var
  Twister: TTwister;
  Words: TWords;
  Integers: TIntegers;
  Doubles, Weights: TDoubles;
  Sigma: Double = 0.0;
  I, Count: Integer;
begin
  Request.TakeMath;
  Request.Take('seed', 1);
  Twister := TTwister.Create(Request.Whole(1, 0, High(LongWord)));
  try
    repeat
      Request.TakeNext;
      if Request.IsLine('state', 0) then
      begin
        SetLength(Words, 625);
        Words[0] := Twister.Index;
        for I := 0 to 623 do
          Words[I + 1] := Twister.Words[I];
        Reply.Put('state', Words);
        if Twister.HasKept then
          Reply.Put('kept', Twister.Kept)
        else
          Reply.Line('kept none');
        Continue;
      end;
      if Request.IsLine('shuffle', 1) then
      begin
        Reply.Put('shuffle', Twister.Shuffled(Request.Whole(1, 0, 10000)));
        Continue;
      end;
      Count := Request.Whole(1, 0, 1000);
      if Request.IsLine('words', 1) then
      begin
        SetLength(Words, Count);
        for I := 0 to Count - 1 do
          Words[I] := Twister.NextWord;
        Reply.Put('words', Words);
      end
      else if Request.IsLine('random', 1) or Request.IsLine('gauss', 2) then
      begin
        SetLength(Doubles, Count);
        if Request.Values = 2 then
          Sigma := Request.Number(2);
        for I := 0 to Count - 1 do
          if Request.Values = 1 then
            Doubles[I] := Twister.Random
          else
            Doubles[I] := Twister.Gauss(Sigma);
        Reply.Put(Request.Key, Doubles);
      end
      else if (Request.Key = 'choices') and (Request.Values >= 2) and (Request.Values <= 1001) then
      begin
        Weights := Request.Numbers(2);
        SetLength(Integers, Count);
        for I := 0 to Count - 1 do
          Integers[I] := Twister.Choice(Weights);
        Reply.Put('choices', Integers);
      end
      else
        raise EBadRequest.Create(Other);
    until Request.AtEnd;
  finally
    Twister.Free;
  end;
end;

{ The documents of the last lines. }
function TAnswer.TakeDataset: TDocuments;
var
  Count, Point: Integer;
  Line: TIntegers;
begin
  Result := nil;
  Count := 0;
  repeat
    Request.Take('line');
    Line := Request.Wholes(0, $10FFFF);
    for Point in Line do
      if (Point >= $D800) and (Point <= $DFFF) then
        raise EBadRequest.Create('a surrogate is not a code point');
    if Length(Line) > 10000 then
      raise EBadRequest.Create('a line has at most 10000 code points');
    AddDocument(Result, Count, Line);
  until Request.AtEnd;
  SetLength(Result, Count);
end;

procedure TAnswer.Tokens;
var
  Documents: TDocuments;
  Document, Points: TIntegers;
begin
  Documents := TakeDataset;
  Points := VocabularyOf(Documents);
  Reply.Line(Format('documents %d', [Length(Documents)]));
  Reply.Put('vocabulary', Points);
  Reply.Line(Format('bos %d', [Length(Points)]));
  for Document in Documents do
    Reply.Put('encoded', Encoded(Document, Points));
end;

{ The node of the expression in the line taken last. }
function TAnswer.Expression(Tape: TTape; const Nodes: TIntegers; Count: Integer): Integer;

  function Node(Place: Integer): Integer;
  begin
    Result := Nodes[Request.Whole(Place, 0, Count - 1)];
  end;

  function Number(Place: Integer): Double;
  begin
    Result := Request.Number(Place);
  end;

var
  I: Integer;
begin
  with Request do
    if IsLine('leaf', 1) then
      Result := Tape.Leaf(Number(1))
    else if IsLine('add', 2) then
      Result := Tape.Add(Node(1), Node(2))
    else if IsLine('sub', 2) then
      Result := Tape.Add(Node(1), Tape.Scale(Node(2), -1.0))
    else if IsLine('mul', 2) then
      Result := Tape.Mul(Node(1), Node(2))
    else if IsLine('div', 2) then
      Result := Tape.Mul(Node(1), Tape.Power(Node(2), -1.0))
    else if IsLine('neg', 1) then
      Result := Tape.Scale(Node(1), -1.0)
    else if IsLine('exp', 1) then
      Result := Tape.Exp(Node(1))
    else if IsLine('log', 1) then
      Result := Tape.Ln(Node(1))
    else if IsLine('relu', 1) then
      Result := Tape.Relu(Node(1))
    else if IsLine('pow', 2) then
      Result := Tape.Power(Node(1), Exponent(1024.0))
    else if IsLine('add_number', 2) then
      Result := Tape.Shift(Node(1), Number(2))
    else if IsLine('sub_number', 2) then
      Result := Tape.Shift(Node(1), -Number(2))
    else if IsLine('mul_number', 2) then
      Result := Tape.Scale(Node(1), Number(2))
    else if IsLine('div_number', 2) then
      Result := Tape.Scale(Node(1), 1.0 / Number(2))
    else if IsLine('number_sub', 2) then
      Result := Tape.Shift(Tape.Scale(Node(2), -1.0), Number(1))
    else if IsLine('number_div', 2) then
      Result := Tape.Scale(Tape.Power(Node(2), -1.0), Number(1))
    else if (Key = 'sum') and (Values > 0) then
    begin
      Result := Tape.Shift(Node(1), 0.0);
      for I := 2 to Values do
        Result := Tape.Add(Result, Node(I));
    end
    else
      raise EBadRequest.Create('an unknown expression, or operands that it does not take');
end;

procedure TAnswer.Graph;
var
  Tape: TTape;
  Nodes: TIntegers;
  Count, Root, I: Integer;
begin
  Request.TakeMath;
  Nodes := nil;
  Count := 0;
  Tape := TTape.Create;
  try
    while not Request.NextIs('root') do
    begin
      Request.TakeNext;
      if Count = Length(Nodes) then
        SetLength(Nodes, 2 * Count + 64);
      Nodes[Count] := Expression(Tape, Nodes, Count);
      Inc(Count);
    end;
    Root := Request.TakeWhole('root', 0, Count - 1);
    Request.Finish;
    Tape.Backward(Nodes[Root]);
    for I := 0 to Count - 1 do
      Reply.Put('value', Tape.Value[Nodes[I]]);
    for I := 0 to Count - 1 do
      Reply.Put('gradient', Tape.Gradient[Nodes[I]]);
  finally
    Tape.Free;
  end;
end;

function TAnswer.TakeShape: TShape;
var
  T, I: Integer;
  List: TIntegers;
  IsRight: Boolean;
begin
  Result := TShape.Create;
  try
    Request.TakeMath;
    Result.Layers := Request.TakeWhole('layers', 1, 16);
    Result.Heads := Request.TakeWhole('heads', 1, 64);
    Result.Embedding := Request.TakeWhole('embedding', 1, 512);
    if Result.Embedding mod Result.Heads <> 0 then
      raise EBadRequest.Create('embedding must be a multiple of heads');
    Result.Block := Request.TakeWhole('block', 1, 1024);
    Result.Vocabulary := Request.TakeWhole('vocabulary', 2, 2048);
    Result.IsSquared := Request.TakeChoice('activation', 'relu', 'squared_relu');
    SetLength(Result.Attend, Result.Block);
    for T := 0 to Result.Block - 1 do
    begin
      Request.Take('attend');
      List := Request.Wholes(0, T);
      IsRight := (List <> nil) and (List[High(List)] = T);
      for I := 1 to High(List) do
        IsRight := IsRight and (List[I - 1] < List[I]);
      if not IsRight then
        raise EBadRequest.CreateFmt('attend must increase and end with its own position %d', [T]);
      Result.Attend[T] := List;
    end;
    Result.MakeMatrices;
  except
    Result.Free;
    raise;
  end;
end;

function TAnswer.TakeDocument(Shape: TShape): TIntegers;
begin
  Request.Take('tokens');
  Result := Request.Wholes(0, Shape.Vocabulary - 1);
  if Length(Result) < 2 then
    raise EBadRequest.Create('tokens takes two or more');
end;

{ The shape will be the model's. }
procedure TAnswer.TakeModel(Shape: TShape);
begin
  Model := TModel.Create(Shape, Shape.Take(Request, ''));
end;

function TAnswer.TakeModelAndDocument: TIntegers;
var
  Shape: TShape;
begin
  Shape := TakeShape;
  try
    Result := TakeDocument(Shape);
    TakeModel(Shape);
  except
    Shape.Free;
    raise;
  end;
  Request.Finish;
end;

procedure TAnswer.Note(const Name: string; const X: TDoubles; Position, Layer, Head: Integer);
var
  Place: string;
begin
  Place := Format('pos%d.', [Position]);
  if Layer >= 0 then
    Place := Place + Format('layer%d.', [Layer]);
  if Head >= 0 then
    Place := Place + Format('head%d.', [Head]);
  Reply.PutTensor(Place + Name, 1, Length(X), X);
end;

procedure TAnswer.Draw(const Probabilities: TDoubles; Token: Integer);
begin
  Reply.Put('probabilities', Probabilities);
  Reply.Put('token', [Token]);
end;

procedure TAnswer.Forward;
var
  Document: TIntegers;
  Root: Integer;
begin
  Document := TakeModelAndDocument;
  Model.OnNote := @Note;
  Root := Model.Loss(Document);
  Reply.Put('loss', Model.Tape.Value[Root]);
end;

procedure TAnswer.Backward;
var
  Document: TIntegers;
  Root: Integer;
begin
  Document := TakeModelAndDocument;
  Root := Model.Loss(Document);
  Model.Tape.Backward(Root);
  Reply.Put('loss', Model.Tape.Value[Root]);
  Model.Shape.Put(Reply, '', Model.Gradients);
end;

function TAnswer.TakeAdam: TAdam;
begin
  Result.LearningRate := Request.TakeNumber('learning_rate');
  Result.Beta1 := Request.TakeNumber('beta1');
  Result.Beta2 := Request.TakeNumber('beta2');
  Result.Epsilon := Request.TakeNumber('epsilon');
  Result.IsCosine := Request.TakeChoice('schedule', 'linear', 'cosine');
  Result.Steps := Request.TakeWhole('steps', 1, 4096);
end;

procedure TAnswer.Adam;
var
  Settings: TAdam;
  Step, Rows, Columns: Integer;
  P, G, M, V: TDoubles;
begin
  Request.TakeMath;
  Settings := TakeAdam;
  Step := Request.TakeWhole('step', 0, Settings.Steps - 1);
  Rows := 0;
  Columns := 0;
  P := nil;
  G := nil;
  M := nil;
  V := nil;
  Request.TakeTensor('parameters', Rows, Columns, P);
  Request.TakeTensor('gradients', Rows, Columns, G);
  Request.TakeTensor('m', Rows, Columns, M);
  Request.TakeTensor('v', Rows, Columns, V);
  Request.Finish;
  Update(Settings, Step, P, G, M, V);
  Reply.Put('rate', Rate(Settings, Step));
  Reply.Put('correction1', Correction(Settings.Beta1, Step));
  Reply.Put('correction2', Correction(Settings.Beta2, Step));
  Reply.PutTensor('m', Rows, Columns, M);
  Reply.PutTensor('v', Rows, Columns, V);
  Reply.PutTensor('parameters', Rows, Columns, P);
end;

procedure TAnswer.Train;
var
  Shape: TShape;
  Settings: TAdam;
  From, Last, Step, I, NextFull: Integer;
  Full: TIntegers;
  Documents: TDocuments;
  M, V: TDoubles;
  Loss: Double;
begin
  Shape := TakeShape;
  try
    Settings := TakeAdam;
    From := Request.TakeWhole('from', 0, Settings.Steps - 1);
    Last := From + Request.TakeWhole('count', 1, Settings.Steps - From) - 1;
    Request.Take('full');
    Full := Request.Wholes(From, Last);
    for I := 1 to High(Full) do
      if Full[I] <= Full[I - 1] then
        raise EBadRequest.Create('the steps of full must increase');
    Documents := nil;
    repeat
      Insert(TakeDocument(Shape), Documents, Length(Documents));
    until not Request.NextIs('tokens');
    TakeModel(Shape);
  except
    Shape.Free;
    raise;
  end;
  M := nil;
  V := nil;
  if From > 0 then
  begin
    M := Shape.Take(Request, 'm.');
    V := Shape.Take(Request, 'v.');
  end;
  SetLength(M, Shape.Parameters);
  SetLength(V, Shape.Parameters);
  Request.Finish;
  NextFull := 0;
  for Step := From to Last do
  begin
    Loss := Gpt.Train(Settings, Step, Model, Documents[Step mod Length(Documents)], M, V);
    Reply.Put('step', [Step]);
    Reply.Put('loss', Loss);
    Reply.PutChecksum('gradients', Model.Gradients);
    Reply.PutChecksum('m', M);
    Reply.PutChecksum('v', V);
    Reply.PutChecksum('parameters', Model.Parameters);
    if (NextFull > High(Full)) or (Full[NextFull] <> Step) then
      Continue;
    Inc(NextFull);
    Shape.Put(Reply, 'gradients.', Model.Gradients);
    Shape.Put(Reply, 'm.', M);
    Shape.Put(Reply, 'v.', V);
    Shape.Put(Reply, 'parameters.', Model.Parameters);
  end;
end;

procedure TAnswer.Sample;
var
  Shape: TShape;
  Temperature: Double;
  Samples, I: Integer;
  Twister: TTwister;
begin
  Shape := TakeShape;
  try
    Temperature := Request.TakeNumber('temperature');
    Samples := Request.TakeWhole('samples', 0, 1000);
    TakeModel(Shape);
  except
    Shape.Free;
    raise;
  end;
  Twister := TTwister.Create(0);
  try
    Request.Take('state', 625);
    Twister.Index := Request.Whole(1, 0, 624);
    for I := 0 to 623 do
      Twister.Words[I] := Request.Whole(I + 2, 0, High(LongWord));
    Request.Take('kept', 1);
    Twister.HasKept := Request.Word(1) <> 'none';
    if Twister.HasKept then
      Twister.Kept := Request.Number(1);
    Request.Finish;
    Model.OnDraw := @Draw;
    for I := 0 to Samples - 1 do
    begin
      Reply.Put('sample', [I]);
      Model.Sample(Temperature, Twister);
    end;
    Reply.Line('word ' + IntToStr(Int64(Twister.NextWord)));
  finally
    Twister.Free;
  end;
end;

procedure TAnswer.PutPoints(const Text: string; const Points: TIntegers);
begin
  Reply.Put('print', PointsOf(Text, Points));
end;

procedure TAnswer.Run;
var
  IsSeed: Boolean;
  Steps, Samples: Integer;
  Result: TRun;
begin
  Request.TakeMath;
  IsSeed := not Request.TakeChoice('preset', 'seed', 'classic');
  Steps := Request.TakeWhole('steps', 1, 4096);
  Samples := Request.TakeWhole('samples', 0, 1000);
  Result := TRun.Create(IsSeed, Steps, Samples, TakeDataset, @PutPoints);
  try
    Reply.PutChecksum('parameters', Result.Model.Parameters);
    Reply.PutChecksum('m', Result.M);
    Reply.PutChecksum('v', Result.V);
    Reply.Line('word ' + IntToStr(Int64(Result.Twister.NextWord)));
  finally
    Result.Free;
  end;
end;

procedure TAnswer.AnswerVerb;
begin
  if not Request.IsComplete then
    raise EBadRequest.Create('the input ended before the line end');
  case Request.Verb of
    'hello': Hello;
    'arith': Arith;
    'math': MathVerb;
    'random': Random;
    'tokens': Tokens;
    'graph': Graph;
    'forward': Forward;
    'backward': Backward;
    'adam': Adam;
    'train': Train;
    'sample': Sample;
    'run': Run;
  else
    raise EBadRequest.Create('unsupported');
  end;
end;

{ The reply is known before it is sent, since a request can be wrong at its last line. }
constructor TAnswer.Create(ARequest: TRequest);
begin
  Request := ARequest;
  Reply := TReply.Create;
  try
    if Request.Id = '' then
      Reply.Line('error - expected a verb and an id')
    else
    begin
      Reply.Line('ok ' + Request.Id);
      AnswerVerb;
    end;
  except
    on Problem: EBadRequest do
    begin
      Reply.Free;
      Reply := TReply.Create;
      Reply.Line('error ' + Request.Id + ' ' + Problem.Message);
    end;
  end;
  Reply.Line('end');
  Reply.Send;
end;

destructor TAnswer.Destroy;
begin
  Model.Free;
  Reply.Free;
  inherited;
end;

procedure AnswerRequests;
var
  Request: TRequest;
  IsOver: Boolean;
begin
  repeat
    Request := TRequest.Read;
    IsOver := Request.IsEmpty;
    if not IsOver then
      TAnswer.Create(Request).Free;
    Request.Free;
  until IsOver;
end;

type
  { The command line: UTF-8 in and out. }
  TConsole = class
    procedure Print(const Text: string; const Points: TIntegers);
    procedure Run(IsSeed: Boolean);
  end;

function Decoded(const Line: string): TIntegers;
const
  Least: array[0..3] of Integer = (0, $80, $800, $10000); { that takes so many more bytes }
var
  I, K, More, Point, Count: Integer;
begin
  SetLength(Result, Length(Line));
  Count := 0;
  I := 1;
  while I <= Length(Line) do
  begin
    Point := Ord(Line[I]);
    case Point of
      $00..$7F: More := 0;
      $C0..$DF: More := 1;
      $E0..$EF: More := 2;
      $F0..$F7: More := 3;
    else
      raise EBadRequest.Create(NoUTF8);
    end;
    if More > 0 then
      Point := Point and ($3F shr More);
    for K := I + 1 to I + More do
    begin
      if (K > Length(Line)) or (Ord(Line[K]) shr 6 <> 2) then
        raise EBadRequest.Create(NoUTF8);
      Point := Point shl 6 or Ord(Line[K]) and $3F;
    end;
    if (Point < Least[More]) or (Point > $10FFFF) or (Point shr 11 = $1B) then
      raise EBadRequest.Create(NoUTF8);
    Result[Count] := Point;
    Inc(Count);
    Inc(I, More + 1);
  end;
  SetLength(Result, Count);
end;

procedure TConsole.Print(const Text: string; const Points: TIntegers);
var
  Reply: TReply;
  Point, More, K: Integer;
begin
  Reply := TReply.Create;
  Reply.Add(Text);
  for Point in Points do
  begin
    More := Ord(Point >= $80) + Ord(Point >= $800) + Ord(Point >= $10000);
    if More = 0 then
      Reply.Add(Chr(Point))
    else
      Reply.Add(Chr(($FF00 shr (More + 1)) and $FF or Point shr (6 * More)));
    for K := More - 1 downto 0 do
      Reply.Add(Chr($80 or (Point shr (6 * K)) and $3F));
  end;
  Reply.Add(#10);
  Reply.Send;
  Reply.Free;
end;

procedure TConsole.Run(IsSeed: Boolean);
const
  Steps: array[Boolean] of Integer = (1000, 500);
var
  Documents: TDocuments;
  Count: Integer;
  Line: string;
begin
  Documents := nil;
  Line := '';
  Count := 0;
  while ReadLine(Line) do
    AddDocument(Documents, Count, Decoded(Line));
  SetLength(Documents, Count);
  TRun.Create(IsSeed, Steps[IsSeed], 20, Documents, @Print).Free;
end;

var
  Console: TConsole;
  Preset: string;
begin
  Console := TConsole.Create;
  Preset := 'seed';
  if ParamCount = 2 then
    Preset := ParamStr(2);
  try
    if ParamCount = 0 then
      AnswerRequests
    else if (ParamCount <= 2) and (ParamStr(1) = 'run') and ((Preset = 'seed') or (Preset = 'classic')) then
      Console.Run(Preset = 'seed')
    else
      raise EBadRequest.Create('usage: microgpt [run [seed|classic] < names.txt]');
  except
    on Problem: EBadRequest do
    begin
      WriteLn(StdErr, 'microgpt: ', Problem.Message);
      ExitCode := 1;
    end;
  end;
  Console.Free;
end.
