{ The port pascal of microgpt: a procedure for each verb (SPEC, section 12), and the command line. }
program Microgpt;

{$mode objfpc}{$H+}{$modeswitch nestedprocvars}{$EXCESSPRECISION OFF}

uses
  SysUtils, Exact, Gpt, Protocol, Tape;

const
  Verbs: array[0..11] of string = ('hello', 'arith', 'math', 'random', 'tokens', 'graph', 'forward', 'backward', 'adam',
    'train', 'sample', 'run');
  BadKey = 'expected another key';

{ UTF-8. Of what is wrong, it makes code points that are written otherwise. }
function PointsOf(const Text: string): TIntegers;
var
  C: Char;
  Last: Integer;
begin
  SetLength(Result, Length(Text));
  Last := -1;
  for C in Text do
    if (Ord(C) shr 6 = 2) and (Last >= 0) then
      Result[Last] := Result[Last] shl 6 or Ord(C) and $3F
    else
    begin
      Inc(Last);
      case Ord(C) of
        $C0..$DF: Result[Last] := Ord(C) and $1F;
        $E0..$EF: Result[Last] := Ord(C) and $F;
        $F0..$FF: Result[Last] := Ord(C) and $7;
      else
        Result[Last] := Ord(C);
      end;
    end;
  SetLength(Result, Last + 1);
end;

procedure Hello(var Ask: TRequest; var Reply: TReply);
begin
  Reply.Line('name pascal');
  Reply.Line('protocol 1');
  Reply.Line('verbs ' + string.Join(' ', Verbs));
  Reply.Line('math exact');
end;

procedure Arith(var Ask: TRequest; var Reply: TReply);
var
  Key: string;
  X, Y, Total: Double;
begin
  repeat
    Key := Ask.TakeKey;
    X := Ask.Number;
    Y := 1.0;
    if (Key <> 'sqrt') and (Key <> 'sum') and (Key <> 'decimals') then
      Y := Ask.Number;
    case Key of
      'add': Total := X + Y;
      'sub': Total := X - Y;
      'mul': Total := X * Y;
      'div': Total := X / Y;
      'sqrt': Total := Sqrt(X);
      'muladd': Total := X * Y + Ask.Number;
      'sum', 'dot':
        begin
          Total := 0.0 + X * Y;
          while Ask.HasMore do
          begin
            X := Ask.Number;
            if Key = 'dot' then
              Y := Ask.Number;
            Total := Total + X * Y;
          end;
        end;
      'decimals':
        begin
          Expect((BitsOf(Abs(X)) >= InfinityBits) or (Abs(X) <= 9007199254740992.0), 'a size up to 2^53');
          Reply.Put('decimals', PointsOf(Decimals(X)));
          Continue;
        end;
    else
      raise EBadRequest.Create(BadKey);
    end;
    Reply.Put(Key, Total);
  until Ask.Lines = 0;
end;

function TakeExponent(var Ask: TRequest; Limit: Double): Double;
begin
  Result := Ask.Number;
  Expect((Abs(Result) <= Limit) and (Frac(2.0 * Result) = 0.0), 'an integer or half-integer, and not too large');
end;

procedure MathVerb(var Ask: TRequest; var Reply: TReply);
var
  Key: string;
  X: Double;
begin
  Ask.TakeMath;
  repeat
    Key := Ask.TakeKey;
    X := Ask.Number;
    if (Key = 'sin') or (Key = 'cos') then
      Expect((BitsOf(X) = NaNBits) or (Abs(X) <= 8.0), 'a size up to 8');
    case Key of
      'exp': X := ExactExp(X);
      'log': X := ExactLn(X);
      'sin': X := ExactSin(X);
      'cos': X := ExactCos(X);
      'pow': X := ExactPower(X, TakeExponent(Ask, 4096.0));
    else
      raise EBadRequest.Create(BadKey);
    end;
    Reply.Put(Key, X);
  until Ask.Lines = 0;
end;

procedure Random(var Ask: TRequest; var Reply: TReply);
var
  Twister: TTwister;
  Key: string;
  Integers: TIntegers;
  Doubles, Weights: TDoubles;
  I, Count: Integer;
begin
  Ask.TakeMath;
  Twister.Seed(Ask.Whole('seed', 0, High(LongWord)));
  repeat
    Key := Ask.TakeKey;
    Integers := nil;
    Doubles := nil;
    Weights := nil;
    if Key = 'state' then
    begin
      SetLength(Integers, 625);
      Integers[0] := Twister.Index;
      for I := 0 to 623 do
        Integers[I + 1] := Twister.Words[I];
    end
    else if Key = 'shuffle' then
      Integers := Twister.Shuffled(Ask.Whole(0, 10000))
    else
    begin
      Count := Ask.Whole(0, 1000);
      while Ask.HasMore do
        Insert(Ask.Number, Weights, Length(Weights));
      SetLength(Integers, Count);
      SetLength(Doubles, Count);
      case Key of
        'words', 'random': Expect(Weights = nil, 'fewer values');
        'gauss': Expect(Length(Weights) = 1, 'a sigma');
        'choices': Expect((Weights <> nil) and (Length(Weights) <= 1000), '1 to 1000 weights');
      else
        raise EBadRequest.Create(BadKey);
      end;
      for I := 0 to Count - 1 do
        case Key of
          'words': Integers[I] := Twister.NextWord;
          'random': Doubles[I] := Twister.Random;
          'gauss': Doubles[I] := Twister.Gauss(Weights[0]);
          'choices': Integers[I] := Twister.Choice(Weights);
        end;
    end;
    if (Key = 'random') or (Key = 'gauss') then
      Reply.Put(Key, Doubles)
    else
      Reply.Put(Key, Integers);
    if (Key = 'state') and Twister.HasKept then
      Reply.Put('kept', Twister.Kept)
    else if Key = 'state' then
      Reply.Line('kept none');
  until Ask.Lines = 0;
end;

procedure TakeLines(var Ask: TRequest; var Data: TDataset);
var
  Line: TIntegers;
begin
  repeat
    Ask.Take('line');
    Line := Ask.Wholes(0, $10FFFF);
    Expect(Length(Line) <= 10000, 'at most 10000 code points');
    Data.Add(Line);
  until Ask.Lines = 0;
end;

procedure Tokens(var Ask: TRequest; var Reply: TReply);
var
  Data: TDataset;
  Document: TIntegers;
begin
  Data := Default(TDataset);
  TakeLines(Ask, Data);
  Data.Encode;
  Reply.Put('documents', [Data.Count]);
  Reply.Put('vocabulary', Data.Points);
  Reply.Put('bos', [Length(Data.Points)]);
  for Document in Data.Documents do
    Reply.Put('encoded', Document);
end;

procedure Graph(var Ask: TRequest; var Reply: TReply);
var
  Nodes: TTape;
  Made: array of TVector;
  Count: Integer;

  function Node: TVector;
  begin
    Result := Made[Ask.Whole(0, Count - 1)];
  end;

  function Plain: TVector;
  begin
    Result := Nodes.Number(Ask.Number);
  end;

  function Expression(const Key: string): TVector;
  var
    A, B: TVector;
  begin
    if (Key = 'leaf') or (Key = 'number_sub') or (Key = 'number_div') then
      A := Plain
    else
      A := Node;
    B := A;
    case Key of
      'add', 'sub', 'mul', 'div', 'number_sub', 'number_div': B := Node;
      'add_number', 'sub_number', 'mul_number', 'div_number': B := Plain;
      'pow': B := Nodes.Number(TakeExponent(Ask, 1024.0));
    end;
    case Key of
      'leaf': Result := A;
      'add', 'add_number': Result := Nodes.Map(nkAdd, A, B);
      'sub', 'sub_number', 'number_sub': Result := Nodes.Map(nkAdd, A, Nodes.Map(nkMul, B, -1.0));
      'mul', 'mul_number': Result := Nodes.Map(nkMul, A, B);
      'div', 'div_number', 'number_div': Result := Nodes.Map(nkMul, A, Nodes.Map(nkPow, B, -1.0));
      'pow': Result := Nodes.Map(nkPow, A, B);
      'neg': Result := Nodes.Map(nkMul, A, -1.0);
      'exp': Result := Nodes.Map(nkExp, A);
      'log': Result := Nodes.Map(nkLog, A);
      'relu': Result := Nodes.Map(nkRelu, A);
      'sum':
        begin
          Result := Nodes.Map(nkAdd, A);
          while Ask.HasMore do
            Result := Nodes.Map(nkAdd, Result, Node);
        end;
    else
      raise EBadRequest.Create(BadKey);
    end;
  end;

var
  Root: TVector;
  I: Integer;
begin
  Ask.TakeMath;
  Nodes := Default(TTape);
  SetLength(Made, Ask.Lines);
  Count := 0;
  while not Ask.NextIs('root') do
  begin
    Made[Count] := Expression(Ask.TakeKey);
    Inc(Count);
  end;
  Ask.Take('root');
  Root := Node;
  Nodes.Backward(Root);
  for I := 0 to Count - 1 do
    Reply.Put('value', Nodes.Values(Made[I]));
  for I := 0 to Count - 1 do
    Reply.Put('gradient', Nodes.Gradient[Made[I].First]);
end;

procedure ExpectIncreasing(const List: TIntegers);
var
  I: Integer;
begin
  for I := 1 to High(List) do
    Expect(List[I - 1] < List[I], 'integers that increase');
end;

procedure TakeShape(var Ask: TRequest; var Model: TModel);
var
  T: Integer;
begin
  Model := Default(TModel);
  Ask.TakeMath;
  Model.Layers := Ask.Whole('layers', 1, 16);
  Model.Heads := Ask.Whole('heads', 1, 64);
  Model.Embedding := Ask.Whole('embedding', 1, 512);
  Expect(Model.Embedding mod Model.Heads = 0, 'an embedding that is a multiple of heads');
  Model.Block := Ask.Whole('block', 1, 1024);
  Model.Vocabulary := Ask.Whole('vocabulary', 2, 2048);
  Model.IsSquared := Ask.Choice('activation', 'relu', 'squared_relu');
  SetLength(Model.Attend, Model.Block);
  for T := 0 to Model.Block - 1 do
  begin
    Ask.Take('attend');
    Model.Attend[T] := Ask.Wholes(0, T);
    ExpectIncreasing(Model.Attend[T]);
    Expect((Model.Attend[T] <> nil) and (Model.Attend[T][High(Model.Attend[T])] = T), 'its own position as the last');
  end;
  Model.MakeMatrices;
end;

function TakeDocument(var Ask: TRequest; const Model: TModel): TIntegers;
begin
  Ask.Take('tokens');
  Result := Ask.Wholes(0, Model.Vocabulary - 1);
  Expect(Length(Result) >= 2, 'two or more tokens');
end;

function TakeMatrices(var Ask: TRequest; const Prefix: string; const Model: TModel): TDoubles;
var
  Matrix: TMatrix;
  Rows, Columns: Integer;
begin
  Result := nil;
  for Matrix in Model.Matrices do
  begin
    Rows := Matrix.Rows;
    Columns := Matrix.Columns;
    Insert(Ask.Tensor(Prefix + Matrix.Name, Rows, Columns), Result, Length(Result));
  end;
end;

procedure PutMatrices(var Reply: TReply; const Prefix: string; const Model: TModel; const X: TDoubles);
var
  Matrix: TMatrix;
begin
  for Matrix in Model.Matrices do
    Reply.PutTensor(Prefix + Matrix.Name, Matrix.Rows, Copy(X, Matrix.Weights.First, Matrix.Weights.Count));
end;

procedure Forward(var Ask: TRequest; var Reply: TReply);
var
  Model: TModel;
  Document: TIntegers;
begin
  TakeShape(Ask, Model);
  Document := TakeDocument(Ask, Model);
  Model.Start(TakeMatrices(Ask, '', Model));
  Model.Trace := @Reply;
  Reply.Put('loss', Model.Tape.Values(Model.Loss(Document)));
end;

procedure Backward(var Ask: TRequest; var Reply: TReply);
var
  Model: TModel;
  Document: TIntegers;
  Root: TVector;
begin
  TakeShape(Ask, Model);
  Document := TakeDocument(Ask, Model);
  Model.Start(TakeMatrices(Ask, '', Model));
  Root := Model.Loss(Document);
  Model.Tape.Backward(Root);
  Reply.Put('loss', Model.Tape.Values(Root));
  PutMatrices(Reply, '', Model, Model.Tape.Gradient);
end;

function TakeAdam(var Ask: TRequest): TAdam;
begin
  Result.LearningRate := Ask.Number('learning_rate');
  Result.Beta1 := Ask.Number('beta1');
  Result.Beta2 := Ask.Number('beta2');
  Result.Epsilon := Ask.Number('epsilon');
  Result.IsCosine := Ask.Choice('schedule', 'linear', 'cosine');
  Result.Steps := Ask.Whole('steps', 1, 4096);
end;

procedure AdamVerb(var Ask: TRequest; var Reply: TReply);
var
  Adam: TAdam;
  Step, Rows, Columns: Integer;
  P, G, M, V: TDoubles;
begin
  Ask.TakeMath;
  Adam := TakeAdam(Ask);
  Step := Ask.Whole('step', 0, Adam.Steps - 1);
  Rows := 0;
  Columns := 0;
  P := Ask.Tensor('parameters', Rows, Columns);
  G := Ask.Tensor('gradients', Rows, Columns);
  M := Ask.Tensor('m', Rows, Columns);
  V := Ask.Tensor('v', Rows, Columns);
  Adam.Update(Step, P, G, M, V);
  Reply.Put('rate', Adam.Rate(Step));
  Reply.Put('correction1', Correction(Adam.Beta1, Step));
  Reply.Put('correction2', Correction(Adam.Beta2, Step));
  Reply.PutTensor('m', Rows, M);
  Reply.PutTensor('v', Rows, V);
  Reply.PutTensor('parameters', Rows, P);
end;

procedure Train(var Ask: TRequest; var Reply: TReply);
var
  Model: TModel;
  Adam: TAdam;
  From, Last, Step, Count, I: Integer;
  Full: TIntegers;
  Documents: array of TIntegers;
  Lists: array[0..3] of TDoubles;
const
  Names: array[0..3] of string = ('gradients', 'm', 'v', 'parameters');
begin
  TakeShape(Ask, Model);
  Adam := TakeAdam(Ask);
  From := Ask.Whole('from', 0, Adam.Steps - 1);
  Last := From + Ask.Whole('count', 1, Adam.Steps - From) - 1;
  Ask.Take('full');
  Full := Ask.Wholes(From, Last);
  ExpectIncreasing(Full);
  SetLength(Documents, Ask.Lines + 1);
  Count := 0;
  repeat
    Documents[Count] := TakeDocument(Ask, Model);
    Inc(Count);
  until not Ask.NextIs('tokens');
  Model.Start(TakeMatrices(Ask, '', Model));
  if From > 0 then
  begin
    Model.M := TakeMatrices(Ask, 'm.', Model);
    Model.V := TakeMatrices(Ask, 'v.', Model);
  end;
  for Step := From to Last do
  begin
    Reply.Put('step', [Step]);
    Reply.Put('loss', Adam.Train(Step, Model, Documents[Step mod Count]));
    Lists[0] := Copy(Model.Tape.Gradient, 0, Model.Weights.Count);
    Lists[1] := Model.M;
    Lists[2] := Model.V;
    Lists[3] := Model.Tape.Values(Model.Weights);
    for I := 0 to 3 do
      Reply.PutChecksum(Names[I], Lists[I]);
    if (Full = nil) or (Full[0] <> Step) then
      Continue;
    Delete(Full, 0, 1);
    for I := 0 to 3 do
      PutMatrices(Reply, Names[I] + '.', Model, Lists[I]);
  end;
end;

procedure Sample(var Ask: TRequest; var Reply: TReply);
var
  Model: TModel;
  Temperature: Double;
  Samples, I, T, Token: Integer;
  Twister: TTwister;
  Probabilities: TDoubles;
begin
  TakeShape(Ask, Model);
  Temperature := Ask.Number('temperature');
  Samples := Ask.Whole('samples', 0, 1000);
  Model.Start(TakeMatrices(Ask, '', Model));
  Twister.Index := Ask.Whole('state', 0, 624);
  for I := 0 to 623 do
    Twister.Words[I] := Ask.Whole(0, High(LongWord));
  Ask.Take('kept');
  Twister.HasKept := not Ask.NextIs('none', ' ');
  if Twister.HasKept then
    Twister.Kept := Ask.Number
  else
    Ask.Word;
  for I := 0 to Samples - 1 do
  begin
    Reply.Put('sample', [I]);
    Token := Model.Vocabulary - 1;
    for T := 0 to Model.Block - 1 do
    begin
      Probabilities := Model.Predict(T, Token, Temperature);
      Token := Twister.Choice(Probabilities);
      Reply.Put('probabilities', Probabilities);
      Reply.Put('token', [Token]);
      if Token = Model.Vocabulary - 1 then
        Break;
    end;
  end;
  Reply.Put('word', [Twister.NextWord]);
end;

procedure RunVerb(var Ask: TRequest; var Reply: TReply);

  procedure Print(const Line: string);
  begin
    Reply.Put('print', PointsOf(Line));
  end;

var
  Model: TModel;
  Data: TDataset;
  Preset: TPreset;
  Twister: TTwister;
  Samples: Integer;
begin
  Model := Default(TModel);
  Data := Default(TDataset);
  Ask.TakeMath;
  Preset := Presets[Ask.Choice('preset', 'classic', 'seed')];
  Preset.Adam.Steps := Ask.Whole('steps', 1, 4096);
  Samples := Ask.Whole('samples', 0, 1000);
  TakeLines(Ask, Data);
  Run(Preset, Samples, Data, Model, Twister, @Print);
  Reply.PutChecksum('parameters', Model.Tape.Values(Model.Weights));
  Reply.PutChecksum('m', Model.M);
  Reply.PutChecksum('v', Model.V);
  Reply.Put('word', [Twister.NextWord]);
end;

procedure AnswerRequests;
const
  Answers: array[0..High(Verbs)] of procedure(var Ask: TRequest; var Reply: TReply) = (@Hello, @Arith, @MathVerb,
    @Random, @Tokens, @Graph, @Forward, @Backward, @AdamVerb, @Train, @Sample, @RunVerb);
var
  Ask: TRequest;
  Reply: TReply;
  Verb: string;
  I: Integer;
begin
  while Ask.Read do
  begin
    Reply := Default(TReply);
    try
      Verb := Ask.TakeVerb;
      I := High(Verbs);
      while (I >= 0) and (Verbs[I] <> Verb) do
        Dec(I);
      if I < 0 then
        raise EBadRequest.Create('unsupported');
      Answers[I](Ask, Reply);
      Expect(not Ask.HasMore and (Ask.Lines = 0), 'end');
      Reply.Send('ok ' + Ask.Id);
    except
      on Problem: EBadRequest do
      begin
        Reply := Default(TReply);
        Reply.Send('error ' + Ask.Id + ' ' + Problem.Message);
      end;
    end;
  end;
end;

procedure RunPreset(const Name: string);

  procedure Print(const Line: string);
  begin
    WriteLn(Line);
    Flush(Output);
  end;

  function UTF8Of(const Points: TIntegers): string;
  var
    Point: Int64;
  begin
    Result := '';
    for Point in Points do
      Result := Result + UTF8(Point);
  end;

var
  Data: TDataset;
  Model: TModel;
  Twister: TTwister;
  Line: string;
begin
  Expect((Name = 'seed') or (Name = 'classic'), 'the preset seed or classic');
  Data := Default(TDataset);
  Model := Default(TModel);
  Line := '';
  while ReadLine(Line) do
  begin
    Data.Add(PointsOf(Line));
    Expect(UTF8Of(PointsOf(Line)) = Line, 'UTF-8');
  end;
  Run(Presets[Name = 'seed'], 20, Data, Model, Twister, @Print);
end;

begin
  try
    if ParamCount = 0 then
      AnswerRequests
    else if (ParamStr(1) = 'run') and (ParamCount = 1) then
      RunPreset('seed')
    else if (ParamStr(1) = 'run') and (ParamCount = 2) then
      RunPreset(ParamStr(2))
    else
      Expect(False, 'microgpt or microgpt run [seed|classic] < names.txt');
  except
    on Problem: EBadRequest do
    begin
      WriteLn(StdErr, 'microgpt: ', Problem.Message);
      ExitCode := 1;
    end;
  end;
end.
