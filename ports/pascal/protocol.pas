{ Requests and replies (SPEC, sections 11 and 13). Whatever is wrong with a request is an EBadRequest. }
unit Protocol;

{$mode objfpc}{$H+}{$modeswitch advancedrecords}

interface

uses
  SysUtils, Exact;

type
  EBadRequest = class(Exception);
  TIntegers = array of Int64;
  TDoubles = array of Double;

  { A request is read from its start to its end: a key, the values of its line, the next key. }
  TRequest = record
  private
    FText: string; { with a line feed before each line and after the last }
    FNext: Integer;
    function Next(Separator: Char): string;
  public
    Id: string;
    Lines: Integer; { whose keys are not taken yet }
    function Read: Boolean; { false at the end of the input }
    function TakeVerb: string;
    function NextIs(const Text: string; Separator: Char = #10): Boolean;
    function TakeKey: string;
    procedure Take(const Key: string);
    function HasMore: Boolean; { values on this line }
    function Word: string;
    function Number: Double;
    function Whole(Low, High: Int64): Int64;
    function Wholes(Low, High: Int64): TIntegers;
    { of a line with this key }
    function Whole(const Key: string; Low, High: Int64): Int64;
    function Number(const Key: string): Double;
    function Choice(const Key, First, Second: string): Boolean; { whether it is the second }
    procedure TakeMath;
    { its rows and columns are read, too, where they are 0 }
    function Tensor(const Name: string; var Rows, Columns: Integer): TDoubles;
  end;

  TReply = record
  private
    FText: string;
    FLength: Integer;
    procedure Add(const Piece: string);
  public
    procedure Line(const Text: string);
    procedure Put(const Key: string; X: Double);
    procedure Put(const Key: string; const X: array of Double);
    procedure Put(const Key: string; const X: array of Int64);
    procedure PutTensor(const Name: string; Rows: Integer; const X: TDoubles);
    procedure PutChecksum(const Key: string; const X: TDoubles);
    procedure Send(const Head: string); { and what was added since, and the end }
  end;

procedure Expect(IsRight: Boolean; const What: string);

{ The next line of bytes. A text file would take a carriage return for its end. }
function ReadLine(out Line: string): Boolean;

implementation

const
  Longest = 65536;

var
  Buffer: array[0..65535] of Char;
  BufferNext: Integer = 0;
  BufferEnd: Integer = 0;

procedure Expect(IsRight: Boolean; const What: string);
begin
  if not IsRight then
    raise EBadRequest.Create('expected ' + What);
end;

function ReadLine(out Line: string): Boolean;
var
  Size: Integer;
  Piece: string;
  IsWhole: Boolean;
begin
  Line := '';
  repeat
    if BufferNext = BufferEnd then
    begin
      BufferNext := 0;
      BufferEnd := FileRead(StdInputHandle, Buffer, SizeOf(Buffer));
      if BufferEnd <= 0 then
      begin
        BufferEnd := 0;
        Exit(Line <> '');
      end;
    end;
    Size := IndexByte(Buffer[BufferNext], BufferEnd - BufferNext, 10);
    IsWhole := Size >= 0;
    if not IsWhole then
      Size := BufferEnd - BufferNext;
    SetString(Piece, @Buffer[BufferNext], Size);
    Line := Line + Piece;
    Inc(BufferNext, Size + Ord(IsWhole));
  until IsWhole;
  Result := True;
end;

{ A line that is too long, or that nothing ends, becomes an empty one: no verb allows that. }
function TRequest.Read: Boolean;
var
  Line: string;
  Used: Integer;
  IsOver: Boolean;
begin
  FText := '';
  FNext := 1;
  Id := '-';
  Lines := 0;
  Used := 0;
  repeat
    IsOver := not ReadLine(Line);
    if IsOver and (Lines = 0) then
      Exit(False);
    if Line = 'end' then
      Break;
    if Length(Line) > Longest then
      Line := '';
    if Used + Length(Line) + 2 > Length(FText) then
      SetLength(FText, 2 * (Used + Length(Line)) + 64);
    FText[Used + 1] := #10;
    Move(Pointer(Line)^, FText[Used + 2], Length(Line));
    Inc(Used, Length(Line) + 1);
    Inc(Lines);
  until IsOver;
  SetLength(FText, Used);
  FText := FText + #10;
  Result := True;
end;

{ What follows the separator, if that comes next, up to another one. }
function TRequest.Next(Separator: Char): string;
var
  Stop: Integer;
begin
  Result := '';
  if FText[FNext] <> Separator then
    Exit;
  Stop := FNext + 1;
  while (Stop <= Length(FText)) and (FText[Stop] <> ' ') and (FText[Stop] <> #10) do
    Inc(Stop);
  Result := Copy(FText, FNext + 1, Stop - FNext - 1);
end;

function TRequest.TakeVerb: string;
var
  C: Char;
  Name: string;
  IsRight: Boolean;
begin
  Result := Next(#10);
  Inc(FNext, Length(Result) + Ord(Lines > 0));
  Dec(Lines);
  Name := Word;
  IsRight := (Result <> '') and (Name <> '') and (Length(Name) <= 64) and not HasMore;
  for C in Result do
    IsRight := IsRight and (C in ['!'..'~']);
  for C in Name do
    IsRight := IsRight and (C in ['A'..'Z', 'a'..'z', '0'..'9', '.', '_', '-']);
  Expect(IsRight, 'a verb and an id');
  Id := Name;
end;

function TRequest.NextIs(const Text: string; Separator: Char): Boolean;
begin
  Result := Next(Separator) = Text;
end;

function TRequest.TakeKey: string;
begin
  Expect(not HasMore, 'fewer values');
  Expect(Lines > 0, 'another line');
  Result := Next(#10);
  Inc(FNext, Length(Result) + 1);
  Dec(Lines);
end;

procedure TRequest.Take(const Key: string);
begin
  Expect(TakeKey = Key, 'a line ' + Key);
end;

function TRequest.HasMore: Boolean;
begin
  Result := FText[FNext] = ' ';
end;

function TRequest.Word: string;
begin
  Result := Next(' ');
  Inc(FNext, Length(Result) + Ord(HasMore));
end;

function TRequest.Number: Double;
var
  Text: string;
  C: Char;
  Bits: Int64;
begin
  Text := Word;
  Expect((Length(Text) = 16) and TryStrToInt64('$' + Text, Bits), 'a double of 16 hex digits');
  for C in Text do
    Expect(C in ['0'..'9', 'a'..'f'], 'lower-case hex digits');
  Result := DoubleOf(QWord(Bits));
end;

function TRequest.Whole(Low, High: Int64): Int64;
var
  Text: string;
begin
  Text := Word;
  Result := 0;
  if not TryStrToInt64(Text, Result) or (IntToStr(Result) <> Text) or (Result < Low) or (Result > High) then
    Expect(False, Format('an integer from %d to %d', [Low, High]));
end;

function TRequest.Wholes(Low, High: Int64): TIntegers;
var
  Count: Integer;
begin
  Result := nil;
  SetLength(Result, 64);
  Count := 0;
  while HasMore do
  begin
    if Count = Length(Result) then
      SetLength(Result, 2 * Count);
    Result[Count] := Whole(Low, High);
    Inc(Count);
  end;
  SetLength(Result, Count);
end;

function TRequest.Whole(const Key: string; Low, High: Int64): Int64;
begin
  Take(Key);
  Result := Whole(Low, High);
end;

function TRequest.Number(const Key: string): Double;
begin
  Take(Key);
  Result := Number();
end;

function TRequest.Choice(const Key, First, Second: string): Boolean;
var
  Text: string;
begin
  Take(Key);
  Text := Word;
  Result := Text = Second;
  Expect(Result or (Text = First), Key + ' ' + First + ' or ' + Second);
end;

procedure TRequest.TakeMath;
begin
  if Choice('math', 'exact', 'native') then
    raise EBadRequest.Create('unsupported');
end;

function TRequest.Tensor(const Name: string; var Rows, Columns: Integer): TDoubles;

  function Size(Known: Integer): Integer;
  begin
    if Known > 0 then
      Result := Whole(Known, Known)
    else
      Result := Whole(1, 2048);
  end;

var
  I: Integer;
begin
  Take('tensor');
  Expect(Word = Name, 'the tensor ' + Name);
  Rows := Size(Rows);
  Columns := Size(Columns);
  SetLength(Result, Rows * Columns);
  for I := 0 to High(Result) do
  begin
    if I mod Columns = 0 then
      Take('row');
    Result[I] := Number();
  end;
end;

procedure TReply.Add(const Piece: string);
begin
  if FLength + Length(Piece) > Length(FText) then
    SetLength(FText, 2 * (FLength + Length(Piece)));
  Move(Pointer(Piece)^, FText[FLength + 1], Length(Piece));
  Inc(FLength, Length(Piece));
end;

procedure TReply.Line(const Text: string);
begin
  Add(Text + #10);
end;

procedure TReply.Put(const Key: string; X: Double);
begin
  Put(Key, [X]);
end;

procedure TReply.Put(const Key: string; const X: array of Double);
var
  Each: Double;
begin
  Add(Key);
  for Each in X do
    Add(' ' + LowerCase(HexStr(Int64(BitsOf(Each)), 16)));
  Add(#10);
end;

procedure TReply.Put(const Key: string; const X: array of Int64);
var
  Each: Int64;
begin
  Add(Key);
  for Each in X do
    Add(' ' + IntToStr(Each));
  Add(#10);
end;

procedure TReply.PutTensor(const Name: string; Rows: Integer; const X: TDoubles);
var
  I, Columns: Integer;
begin
  Columns := Length(X) div Rows;
  Line(Format('tensor %s %d %d', [Name, Rows, Columns]));
  for I := 0 to Rows - 1 do
    Put('row', Copy(X, I * Columns, Columns));
end;

procedure TReply.PutChecksum(const Key: string; const X: TDoubles);
var
  A, B: QWord;
  Each: Double;

  procedure Count(Half: QWord);
  begin
    A := (A + Half) mod 4294967291;
    B := (B + A) mod 4294967291;
  end;

begin
  A := 1;
  B := 0;
  for Each in X do
  begin
    Count(BitsOf(Each) shr 32);
    Count(BitsOf(Each) and $FFFFFFFF);
  end;
  Line(LowerCase(Format('%s %.8x %.8x', [Key, A, B])));
end;

procedure TReply.Send(const Head: string);
begin
  WriteLn(Head);
  Write(Copy(FText, 1, FLength));
  WriteLn('end');
  Flush(Output);
  FLength := 0;
end;

end.
