{ Doubles, and functions that give the double nearest to the true value (SPEC, section 2). }
unit Exact;

{$mode objfpc}{$H+}{$modeswitch advancedrecords}{$EXCESSPRECISION OFF}

interface

function BitsOf(X: Double): QWord; { all NaNs count as one }
function DoubleOf(Bits: QWord): Double;
function IsFinite(X: Double): Boolean;

function ExactExp(X: Double): Double;
function ExactLn(X: Double): Double;
function ExactSin(X: Double): Double;
function ExactCos(X: Double): Double;
function ExactPower(X, Y: Double): Double; { Y is an integer or half-integer }
function Decimals(X: Double): string;      { four of them, rounded once, ties to even (SPEC, section 10) }

const
  { typed, since the compiler would compute with a constant in more bits }
  OneHundredThousandth: Double = 0.00001;
  Pi53: Double = 3.141592653589793;
  TwoPi53: Double = 6.283185307179586;
  NaNBits = QWord($7FF8000000000000);
  InfinityBits = QWord($7FF0000000000000);

implementation

uses
  Math, SysUtils;

const
  LimbBits = 28;
  Mask = Int64(1) shl LimbBits - 1;
  Few = 5;
  Most = 9;
  Terms = 64;
  Halvings = 8;
  SizeMask = QWord($7FFFFFFFFFFFFFFF);
  Base: Double = 268435456.0;
  Log2E: Double = 1.4426950408889634;
  TwoOverPi: Double = 0.6366197723675814;

type
  { A number in fixed point: a signed integer and then limbs of 28 bits after the point, all of them >= 0. Last is its
    precision: Few limbs decide nearly every call, Most every one that anybody has found (reference/EXACT.md). }
  TFixed = record
    Last: Integer;
    Limb: array[0..Most] of Int64;
    procedure Carry;
    function Halved(Places: Integer): TFixed;
    class function Zero(ALast: Integer): TFixed; static;
    class function From(X: Double; ALast: Integer): TFixed; static;
    class operator + (const A, B: TFixed): TFixed;
    class operator - (const A: TFixed): TFixed;
    class operator - (const A, B: TFixed): TFixed;
    class operator * (K: Integer; const A: TFixed): TFixed;
    class operator * (const A, B: TFixed): TFixed;
  end;
  { The value is to be multiplied by 2^Exponent. }
  TEvaluation = function(X: Double; K, Last: Integer; out Exponent: Integer): TFixed;
  TLimbs = array[0..Most] of Int64;

const
  Ln2Limbs: TLimbs = (0, $b17217f, $7d1cf79, $abc9e3b, $39803f2, $f6af40f, $3432672, $98b62d8, $a0d175b, $8baafa2);
  HalfPiLimbs: TLimbs = (1, $921fb54, $442d184, $69898cc, $51701b8, $39a2520, $49c1114, $cf98e80, $4177d4c, $7627364);

var
  InverseFactorial: array[0..Terms - 1] of TLimbs;

function BitsOf(X: Double): QWord;
begin
  Move(X, Result, SizeOf(X));
  if Result and SizeMask > InfinityBits then
    Result := NaNBits;
end;

function DoubleOf(Bits: QWord): Double;
begin
  if Bits and SizeMask > InfinityBits then
    Bits := NaNBits;
  Move(Bits, Result, SizeOf(Result));
end;

function IsNaN(X: Double): Boolean;
begin
  Result := BitsOf(X) = NaNBits;
end;

function IsFinite(X: Double): Boolean;
begin
  Result := BitsOf(X) and SizeMask < InfinityBits;
end;

procedure TFixed.Carry;
var
  I: Integer;
begin
  for I := Last downto 1 do
  begin
    Limb[I - 1] := Limb[I - 1] + SarInt64(Limb[I], LimbBits);
    Limb[I] := Limb[I] and Mask;
  end;
end;

class function TFixed.Zero(ALast: Integer): TFixed;
begin
  Result := Default(TFixed);
  Result.Last := ALast;
end;

class function TFixed.From(X: Double; ALast: Integer): TFixed;
var
  I: Integer;
  Rest: Double;
begin
  Result := Zero(ALast);
  Rest := Abs(X);
  for I := 0 to ALast do
  begin
    Result.Limb[I] := Trunc(Rest);
    Rest := (Rest - Result.Limb[I]) * Base;
  end;
  if X < 0.0 then
    Result := -Result;
end;

class operator TFixed.+ (const A, B: TFixed): TFixed;
var
  I: Integer;
begin
  Result := A;
  for I := 0 to A.Last do
    Inc(Result.Limb[I], B.Limb[I]);
  Result.Carry;
end;

class operator TFixed.* (K: Integer; const A: TFixed): TFixed;
var
  I: Integer;
begin
  Result := A;
  for I := 0 to A.Last do
    Result.Limb[I] := K * A.Limb[I];
  Result.Carry;
end;

class operator TFixed.- (const A: TFixed): TFixed;
begin
  Result := -1 * A;
end;

class operator TFixed.- (const A, B: TFixed): TFixed;
begin
  Result := A + (-B);
end;

{ The column after the last counts for what it carries; those beyond it are cut off. }
class operator TFixed.* (const A, B: TFixed): TFixed;
var
  I, J: Integer;
  Column: Int64;
begin
  Result := Zero(A.Last);
  Column := 0;
  for J := 1 to A.Last do
    Inc(Column, A.Limb[J] * B.Limb[A.Last + 1 - J]);
  Column := SarInt64(Column, LimbBits);
  for I := A.Last downto 0 do
  begin
    for J := 0 to I do
      Inc(Column, A.Limb[J] * B.Limb[I - J]);
    Result.Limb[I] := Column;
    Column := 0;
  end;
  Result.Carry;
end;

{ Divided by 2^Places. }
function TFixed.Halved(Places: Integer): TFixed;
var
  I: Integer;
begin
  Result := Zero(Last);
  Result.Limb[0] := SarInt64(Limb[0], Places);
  for I := 1 to Last do
    Result.Limb[I] := Limb[I] shr Places + (Limb[I - 1] shl (LimbBits - Places)) and Mask;
end;

function Constant(const Limbs: TLimbs; Last: Integer): TFixed;
begin
  Result.Last := Last;
  Result.Limb := Limbs;
end;

{ The double nearest to A * 2^Exponent for A > 0, ties to even, rounded once at the last place that it has. }
function Rounded(const A: TFixed; Exponent: Integer): Double;
var
  I, Room, Take, Place, Drop: Integer;
  Top, Next, Sticky, Half, Rest: QWord;
begin
  I := 0;
  while A.Limb[I] = 0 do
    Inc(I);
  Top := A.Limb[I]; { it gets 62 bits }
  Room := 61 - BsrQWord(Top);
  Place := Exponent - LimbBits * I - Room;
  Sticky := 0;
  while (I < A.Last) or (Room > 0) do
  begin
    Inc(I);
    Next := 0;
    if I <= A.Last then
      Next := A.Limb[I];
    Take := Min(Room, LimbBits);
    Top := Top shl Take or Next shr (LimbBits - Take);
    Sticky := Sticky or Next and (QWord(Mask) shr Take);
    Dec(Room, Take);
  end;
  Drop := Max(9, -1074 - Place);
  if Drop > 62 then
    Exit(0.0);
  Half := QWord(1) shl (Drop - 1);
  Rest := Top and (2 * Half - 1);
  Top := Top shr Drop;
  if (Rest > Half) or (Rest = Half) and ((Sticky > 0) or Odd(Top)) then
    Inc(Top);
  Inc(Place, Drop + 1074);
  if Place >= 2047 then
    Result := DoubleOf(InfinityBits)
  else { a carry makes the exponent greater, as it should }
    Result := DoubleOf(Min(QWord(Place) shl 52 + Top, InfinityBits));
end;

{ 1/First! + X/(First + Step)! + X^2/(First + 2 Step)! + ..., or the same with alternating signs. }
function Series(const X: TFixed; First, Step, Count, Sign: Integer): TFixed;
var
  I: Integer;
begin
  Result := Constant(InverseFactorial[First + Step * (Count - 1)], X.Last);
  for I := Count - 2 downto 0 do
    Result := Constant(InverseFactorial[First + Step * I], X.Last) + Sign * (Result * X);
end;

procedure MakeInverseFactorials;
var
  I, J: Integer;
  Rest: Int64;
begin
  InverseFactorial[0] := Default(TLimbs);
  InverseFactorial[0][0] := 1;
  for I := 1 to Terms - 1 do
  begin
    Rest := 0;
    for J := 0 to Most do
    begin
      Rest := Rest shl LimbBits + InverseFactorial[I - 1][J];
      InverseFactorial[I][J] := Rest div I;
      Rest := Rest mod I;
    end;
  end;
end;

{ e^P }
function Exponential(const P: TFixed; out Exponent: Integer): TFixed;
var
  I: Integer;
  Size: Double;
begin
  Size := P.Limb[0] + P.Limb[1] / Base;
  Exponent := Round(Size * Log2E);
  Result := Series((P - Exponent * Constant(Ln2Limbs, P.Last)).Halved(Halvings), 0, 1, 4 + 2 * P.Last, 1);
  for I := 1 to Halvings do
    Result := Result * Result;
end;

function PowerOfE(X: Double; K, Last: Integer; out Exponent: Integer): TFixed;
begin
  Result := Exponential(TFixed.From(X, Last + K), Exponent);
end;

{ log m = y + d - d^2/2 + d^3/3 - ..., with d = m e^-y - 1. The library's y is good to 2^-52, the next to 2^-150. }
function Logarithm(X: Double; K, Last: Integer; out Exponent: Integer): TFixed;
var
  M: Double;
  Size, N, Shift: Integer;
  D, One: TFixed;
begin
  Size := 0;
  if X < 1E-300 then
  begin
    X := X * 18014398509481984.0; { 2^54 }
    Size := -54;
  end;
  Inc(Size, Integer(BitsOf(X) shr 52) - 1023);
  M := DoubleOf(BitsOf(X) and $FFFFFFFFFFFFF or QWord(1023) shl 52);
  if M >= 1.5 then
  begin
    M := M / 2.0;
    Inc(Size);
  end;
  Result := TFixed.From(Ln(M), Last);
  N := Few;
  while N <= Last do
  begin
    Result.Last := N;
    D := Exponential(-Result, Shift);
    One := TFixed.Zero(N);
    One.Limb[0] := 1;
    if Shift < 0 then
      D := D * TFixed.From(M / 2.0, N) - One
    else
      D := D * TFixed.From(M, N) - One;
    Result := Result + D - (D * D).Halved(1);
    Inc(N, Most - Few);
  end;
  Result := Result + Size * Constant(Ln2Limbs, Last);
  Exponent := K;
end;

{ sin(X + Quarters * pi/2) }
function Wave(X: Double; Quarters, Last: Integer; out Exponent: Integer): TFixed;
var
  Turns, Quadrant: Integer;
  R: TFixed;
begin
  Turns := Round(X * TwoOverPi);
  Quadrant := (Turns + Quarters) and 3;
  R := TFixed.From(X, Last) - Turns * Constant(HalfPiLimbs, Last);
  Result := Series(R * R, 1 - Quadrant and 1, 2, 6 + 5 * Last div 2, -1);
  if not Odd(Quadrant) then
    Result := R * Result;
  if Quadrant >= 2 then
    Result := -Result;
  Exponent := 0;
end;

{ X^(Twice/2) }
function PowerOf(X: Double; Twice, Last: Integer; out Exponent: Integer): TFixed;
begin
  Result := Exponential((Twice * Logarithm(X, 0, Last, Exponent)).Halved(1), Exponent);
end;

{ The value is off by less than the slack. With Most limbs, what lies within the slack of a double, or of the middle
  between two, is that: a power of a short number may be. }
function Nearest(Evaluate: TEvaluation; X: Double; K: Integer): Double;
var
  Last, Exponent: Integer;
  IsNegative: Boolean;
  Value, Slack, Above: TFixed;
begin
  Last := Few;
  repeat
    Value := Evaluate(X, K, Last, Exponent);
    IsNegative := Value.Limb[0] < 0;
    if IsNegative then
      Value := -Value;
    Slack := TFixed.Zero(Last);
    Slack.Limb[Last - 1] := 1 shl 14;
    Above := Value + Slack;
    if Last = Most then
    begin
      Above.Limb[Last] := 0;
      Above.Limb[Last - 1] := Above.Limb[Last - 1] and not Int64($7FFF);
    end;
    Result := Rounded(Above, Exponent);
    if (Last = Most) or (Result = Rounded(Value - Slack, Exponent)) then
      Break;
    Last := Most;
  until False;
  if IsNegative then
    Result := -Result;
end;

function ExactExp(X: Double): Double;
begin
  if IsNaN(X) then
    Exit(X);
  if X > 800.0 then
    X := 800.0;
  if X < -800.0 then
    X := -800.0;
  Result := Nearest(@PowerOfE, X, 0);
end;

function ExactLn(X: Double): Double;
begin
  if IsNaN(X) or (X < 0.0) then
    Result := DoubleOf(NaNBits)
  else if X = 0.0 then
    Result := -DoubleOf(InfinityBits)
  else if not IsFinite(X) then
    Result := X
  else if X = 1.0 then
    Result := 0.0
  else
    Result := Nearest(@Logarithm, X, 0);
end;

function ExactSin(X: Double): Double;
begin
  if IsNaN(X) or (Abs(X) < 1E-8) then { X - X^3/6 rounds to X }
    Result := X
  else
    Result := Nearest(@Wave, X, 0);
end;

function ExactCos(X: Double): Double;
begin
  if IsNaN(X) then
    Result := X
  else
    Result := Nearest(@Wave, X, 1);
end;

function ExactPower(X, Y: Double): Double;
var
  IsWhole, IsOdd: Boolean;
begin
  IsWhole := Frac(Y) = 0.0;
  IsOdd := IsWhole and (Frac(Y / 2.0) <> 0.0);
  if (Y = 0.0) or not IsNaN(X) and (X = 1.0) then
    Result := 1.0
  else if IsNaN(X) or (Y = 1.0) then
    Result := X
  else if Y = 2.0 then
    Result := X * X
  else if Y = -1.0 then
    Result := 1.0 / X
  else if (X = 0.0) or not IsFinite(X) then
  begin
    Result := 0.0;
    if (X = 0.0) <> (Y > 0.0) then
      Result := DoubleOf(InfinityBits);
    if IsOdd and (BitsOf(X) shr 63 = 1) then
      Result := -Result;
  end
  else if X < 0.0 then
    if not IsWhole then
      Result := DoubleOf(NaNBits)
    else if IsOdd then
      Result := -ExactPower(-X, Y)
    else
      Result := ExactPower(-X, Y)
  else if Y = 0.5 then
    Result := Sqrt(X)
  else if Abs(Ln(X) * Y) > 800.0 then
    if Ln(X) * Y > 0.0 then
      Result := DoubleOf(InfinityBits)
    else
      Result := 0.0
  else
    Result := Nearest(@PowerOf, X, Round(2.0 * Y));
end;

function Decimals(X: Double): string;
var
  Whole, Digits: Int64;
  Part, Middle: TFixed;
  I: Integer;
begin
  if IsNaN(X) then
    Exit('nan');
  if IsFinite(X) then
  begin
    Whole := Trunc(Abs(X));
    Part := 10000 * TFixed.From(Abs(X) - Whole, Most);
    Digits := Part.Limb[0];
    Middle := TFixed.Zero(Most);
    Middle.Limb[0] := Digits;
    Middle.Limb[1] := 1 shl (LimbBits - 1);
    I := 0;
    while (I < Most) and (Part.Limb[I] = Middle.Limb[I]) do
      Inc(I);
    if (Part.Limb[I] > Middle.Limb[I]) or (Part.Limb[I] = Middle.Limb[I]) and Odd(Digits) then
      Inc(Digits);
    Result := IntToStr(Whole + Digits div 10000) + '.' + Copy(IntToStr(10000 + Digits mod 10000), 2, 4);
  end
  else
    Result := 'inf';
  if BitsOf(X) shr 63 = 1 then
    Result := '-' + Result;
end;

initialization
  SetExceptionMask([exInvalidOp, exDenormalized, exZeroDivide, exOverflow, exUnderflow, exPrecision]);
  MakeInverseFactorials;
end.
