{ Requests and replies (SPEC, sections 11 and 13). Whatever is wrong with a request is an EBadRequest. }
unit Protocol;

{$mode objfpc}{$H+}{$EXCESSPRECISION OFF}

interface

uses
  SysUtils, Exact;

type
  EBadRequest = class(Exception);
  TIntegers = array of Integer;
  TDoubles = array of Double;
  TWords = array of LongWord;

  TRequest = class
  private
    FLines: array of string;
    FCount, FNext, FValues: Integer;
    FLine: string;        { the line taken last, }
    FStarts: array of Integer; { and where its words begin }
    FIsComplete: Boolean;
    FVerb, FId: string;
    function GetKey: string;
  public
    constructor Read;
    function IsEmpty: Boolean;
    function AtEnd: Boolean;
    function NextIs(const AKey: string): Boolean;
    procedure TakeNext;
    procedure Take(const AKey: string);
    procedure Take(const AKey: string; AValues: Integer);
    procedure Finish;
    { of the line taken last }
    function IsLine(const AKey: string; AValues: Integer): Boolean;
    function Word(Place: Integer): string;
    function Number(Place: Integer): Double;
    function Numbers(First: Integer): TDoubles;
    function Whole(Place: Integer; Low, High: Int64): Int64;
    function Wholes(Low, High: Integer): TIntegers;
    { of the next line, which must have this key and one value }
    function TakeNumber(const AKey: string): Double;
    function TakeWhole(const AKey: string; Low, High: Integer): Integer;
    function TakeChoice(const AKey, First, Second: string): Boolean; { whether it is the second }
    procedure TakeMath;
    { appends the numbers of a tensor; its rows and columns are read, too, where they are 0 }
    procedure TakeTensor(const Name: string; var Rows, Columns: Integer; var X: TDoubles);
    property Key: string read GetKey;
    property Values: Integer read FValues;
    property IsComplete: Boolean read FIsComplete;
    property Verb: string read FVerb;
    property Id: string read FId; { empty if the first line is wrong }
  end;

  TReply = class
  private
    FText: string;
    FLength: Integer;
  public
    procedure Add(const Piece: string);
    procedure Line(const Text: string);
    procedure Put(const Key: string; X: Double);
    procedure Put(const Key: string; const X: array of Double);
    procedure Put(const Key: string; const X: array of Integer);
    procedure Put(const Key: string; const X: array of LongWord);
    procedure PutTensor(const Name: string; Rows, Columns: Integer; const X: TDoubles; First: Integer = 0);
    procedure PutChecksum(const Key: string; const X: TDoubles);
    procedure Send;
  end;

{ The next line of bytes. A text file would take a carriage return for its end. }
function ReadLine(out Line: string): Boolean;

implementation

const
  Longest = 65536;
  HexDigits: array[0..15] of Char = '0123456789abcdef';

var
  Buffer: array[0..65535] of Char;
  BufferNext: Integer = 0;
  BufferEnd: Integer = 0;

function ReadLine(out Line: string): Boolean;
var
  First, Used: Integer;
begin
  Result := False;
  Line := '';
  repeat
    if BufferNext = BufferEnd then
    begin
      BufferNext := 0;
      BufferEnd := FileRead(StdInputHandle, Buffer, SizeOf(Buffer));
      if BufferEnd <= 0 then
      begin
        BufferEnd := 0;
        Exit;
      end;
    end;
    Result := True;
    First := BufferNext;
    while (BufferNext < BufferEnd) and (Buffer[BufferNext] <> #10) do
      Inc(BufferNext);
    Used := Length(Line);
    SetLength(Line, Used + BufferNext - First);
    if BufferNext > First then
      Move(Buffer[First], Line[Used + 1], BufferNext - First);
  until BufferNext < BufferEnd;
  Inc(BufferNext);
end;

function IsPlain(const Line: string): Boolean;
var
  C: Char;
begin
  for C in Line do
    if not (C in [' '..'~']) then
      Exit(False);
  Result := Length(Line) <= Longest;
end;

function IsName(const Name: string): Boolean;
var
  C: Char;
begin
  for C in Name do
    if not (C in ['A'..'Z', 'a'..'z', '0'..'9', '.', '_', '-']) then
      Exit(False);
  Result := (Length(Name) >= 1) and (Length(Name) <= 64);
end;

{ A line that nothing allows becomes an empty one: nothing allows that, either. }
constructor TRequest.Read;
var
  Text: string;
begin
  Text := '';
  while not FIsComplete and ReadLine(Text) do
  begin
    FIsComplete := Text = 'end';
    if FIsComplete then
      Break;
    if not IsPlain(Text) then
      Text := '';
    if FCount = Length(FLines) then
      SetLength(FLines, 2 * FCount + 64);
    FLines[FCount] := Text;
    Inc(FCount);
  end;
  if FCount = 0 then
    Exit;
  TakeNext;
  if (FValues = 1) and (Key <> '') and IsName(Word(1)) then
  begin
    FVerb := Key;
    FId := Word(1);
  end;
end;

function TRequest.IsEmpty: Boolean;
begin
  Result := not FIsComplete and (FCount = 0);
end;

function TRequest.AtEnd: Boolean;
begin
  Result := FNext >= FCount;
end;

function TRequest.NextIs(const AKey: string): Boolean;
begin
  Result := not AtEnd and ((FLines[FNext] = AKey) or (Copy(FLines[FNext], 1, Length(AKey) + 1) = AKey + ' '));
end;

procedure TRequest.TakeNext;
var
  I: Integer;
begin
  if AtEnd then
    raise EBadRequest.Create('expected another line, but the request ends');
  FLine := FLines[FNext];
  Inc(FNext);
  FValues := 0;
  if Length(FStarts) < Length(FLine) + 3 then
    SetLength(FStarts, Length(FLine) + 64);
  FStarts[0] := 1;
  for I := 1 to Length(FLine) do
    if FLine[I] = ' ' then
    begin
      Inc(FValues);
      FStarts[FValues] := I + 1;
    end;
  FStarts[FValues + 1] := Length(FLine) + 2;
end;

procedure TRequest.Take(const AKey: string);
begin
  if not NextIs(AKey) then
    raise EBadRequest.CreateFmt('expected a line %s', [AKey]);
  TakeNext;
end;

procedure TRequest.Take(const AKey: string; AValues: Integer);
begin
  Take(AKey);
  if FValues <> AValues then
    raise EBadRequest.CreateFmt('%s takes %d values', [AKey, AValues]);
end;

procedure TRequest.Finish;
begin
  if not AtEnd then
    raise EBadRequest.Create('expected end, but there are more lines');
end;

function TRequest.GetKey: string;
begin
  Result := Copy(FLine, 1, FStarts[1] - 2);
end;

function TRequest.IsLine(const AKey: string; AValues: Integer): Boolean;
begin
  Result := (FValues = AValues) and (Key = AKey);
end;

function TRequest.Word(Place: Integer): string;
begin
  if Place > FValues then
    raise EBadRequest.Create('expected another value');
  Result := Copy(FLine, FStarts[Place], FStarts[Place + 1] - 1 - FStarts[Place]);
end;

function TRequest.Number(Place: Integer): Double;
var
  Text: string;
  Bits: QWord;
  C: Char;
begin
  Text := Word(Place);
  Bits := 0;
  for C in Text do
    case C of
      '0'..'9': Bits := Bits shl 4 + QWord(Ord(C) - Ord('0'));
      'a'..'f': Bits := Bits shl 4 + QWord(Ord(C) - Ord('a') + 10);
    else
      raise EBadRequest.Create('a double has lower-case hex digits');
    end;
  if Length(Text) <> 16 then
    raise EBadRequest.Create('a double has 16 hex digits');
  Result := DoubleOf(Bits);
end;

function TRequest.Numbers(First: Integer): TDoubles;
var
  I: Integer;
begin
  SetLength(Result, FValues - First + 1);
  for I := 0 to High(Result) do
    Result[I] := Number(First + I);
end;

function TRequest.Whole(Place: Integer; Low, High: Int64): Int64;
var
  Text: string;
  C: Char;
  IsDecimal: Boolean;
begin
  Text := Word(Place);
  Result := 0;
  IsDecimal := (Text <> '') and (Length(Text) <= 10) and ((Text[1] <> '0') or (Text = '0'));
  if IsDecimal then
    for C in Text do
    begin
      IsDecimal := IsDecimal and (C in ['0'..'9']);
      Result := 10 * Result + Ord(C) - Ord('0');
    end;
  if not IsDecimal or (Result < Low) or (Result > High) then
    raise EBadRequest.CreateFmt('expected an integer from %d to %d', [Low, High]);
end;

function TRequest.Wholes(Low, High: Integer): TIntegers;
var
  I: Integer;
begin
  SetLength(Result, FValues);
  for I := 0 to FValues - 1 do
    Result[I] := Whole(I + 1, Low, High);
end;

function TRequest.TakeNumber(const AKey: string): Double;
begin
  Take(AKey, 1);
  Result := Number(1);
end;

function TRequest.TakeWhole(const AKey: string; Low, High: Integer): Integer;
begin
  Take(AKey, 1);
  Result := Whole(1, Low, High);
end;

function TRequest.TakeChoice(const AKey, First, Second: string): Boolean;
begin
  Take(AKey, 1);
  Result := Word(1) = Second;
  if not Result and (Word(1) <> First) then
    raise EBadRequest.CreateFmt('expected %s %s or %s', [AKey, First, Second]);
end;

procedure TRequest.TakeMath;
begin
  if TakeChoice('math', 'exact', 'native') then
    raise EBadRequest.Create('unsupported');
end;

procedure TRequest.TakeTensor(const Name: string; var Rows, Columns: Integer; var X: TDoubles);
var
  I, J, Used: Integer;
begin
  Take('tensor ' + Name, 3);
  Used := Length(X);
  if Rows = 0 then
    Rows := Whole(2, 1, 2048);
  if Columns = 0 then
    Columns := Whole(3, 1, 2048);
  if (Whole(2, 1, 2048) <> Rows) or (Whole(3, 1, 2048) <> Columns) then
    raise EBadRequest.CreateFmt('the tensor %s has the wrong shape', [Name]);
  SetLength(X, Used + Rows * Columns);
  for I := 0 to Rows - 1 do
  begin
    Take('row', Columns);
    for J := 1 to Columns do
    begin
      X[Used] := Number(J);
      Inc(Used);
    end;
  end;
end;

procedure TReply.Add(const Piece: string);
begin
  if FLength + Length(Piece) > Length(FText) then
    SetLength(FText, 2 * (FLength + Length(Piece)));
  if Piece <> '' then
    Move(Piece[1], FText[FLength + 1], Length(Piece));
  Inc(FLength, Length(Piece));
end;

procedure TReply.Line(const Text: string);
begin
  Add(Text + #10);
end;

function Hex(Bits: QWord; Width: Integer): string;
var
  I: Integer;
begin
  SetLength(Result, Width);
  for I := Width downto 1 do
  begin
    Result[I] := HexDigits[Bits and 15];
    Bits := Bits shr 4;
  end;
end;

procedure TReply.Put(const Key: string; X: Double);
begin
  Line(Key + ' ' + Hex(BitsOf(X), 16));
end;

procedure TReply.Put(const Key: string; const X: array of Double);
var
  Each: Double;
begin
  Add(Key);
  for Each in X do
    Add(' ' + Hex(BitsOf(Each), 16));
  Add(#10);
end;

procedure TReply.Put(const Key: string; const X: array of Integer);
var
  Each: Integer;
begin
  Add(Key);
  for Each in X do
    Add(' ' + IntToStr(Each));
  Add(#10);
end;

procedure TReply.Put(const Key: string; const X: array of LongWord);
var
  Each: LongWord;
begin
  Add(Key);
  for Each in X do
    Add(' ' + IntToStr(Int64(Each)));
  Add(#10);
end;

procedure TReply.PutTensor(const Name: string; Rows, Columns: Integer; const X: TDoubles; First: Integer);
var
  I: Integer;
begin
  Line(Format('tensor %s %d %d', [Name, Rows, Columns]));
  for I := 0 to Rows - 1 do
    Put('row', Copy(X, First + I * Columns, Columns));
end;

procedure TReply.PutChecksum(const Key: string; const X: TDoubles);
const
  Prime = 4294967291;
var
  A, B, Bits: QWord;
  Each: Double;
begin
  A := 1;
  B := 0;
  for Each in X do
  begin
    Bits := BitsOf(Each);
    A := (A + Bits shr 32) mod Prime;
    B := (B + A) mod Prime;
    A := (A + Bits and $FFFFFFFF) mod Prime;
    B := (B + A) mod Prime;
  end;
  Line(Key + ' ' + Hex(A, 8) + ' ' + Hex(B, 8));
end;

procedure TReply.Send;
var
  Sent, Count: Integer;
begin
  Sent := 0;
  while Sent < FLength do
  begin
    Count := FileWrite(StdOutputHandle, FText[Sent + 1], FLength - Sent);
    if Count <= 0 then
      Break;
    Inc(Sent, Count);
  end;
end;

end.
