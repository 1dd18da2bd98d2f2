{ Doubles, and functions that give the double nearest to the true value (SPEC, sections 2 and 15). }
unit Exact;

{$mode objfpc}{$H+}{$modeswitch advancedrecords}{$EXCESSPRECISION OFF}

interface

function BitsOf(X: Double): QWord; { all NaNs count as one }
function DoubleOf(Bits: QWord): Double;
function ExactExp(X: Double): Double;
function ExactLn(X: Double): Double;
function ExactSin(X: Double): Double; { |X| <= 8, as in ExactCos }
function ExactCos(X: Double): Double;
function ExactPower(X, Y: Double): Double; { Y is an integer or half-integer }
function Decimals(X: Double): string;      { four of them, rounded once, ties to even (SPEC, section 10) }

const
  NaNBits = QWord($7FF8000000000000);
  InfinityBits = QWord($7FF0000000000000);

implementation

uses
  Math, SysUtils;

const
  LimbBits = 28;
  Mask = Int64(1) shl LimbBits - 1;
  Last = 7;
  Halvings = 8;
  Base: Double = 268435456.0; { typed, since the compiler would compute with a constant in more bits }
  Log2E: Double = 1.4426950408889634;
  TwoOverPi: Double = 0.6366197723675814;
  Third: Double = 0.3333333333333333;

type
  { A number in fixed point: a signed integer, then limbs of 28 bits after the point, all of them >= 0. What is computed
    here is off by less than 2^-175; the hardest arguments known are decided by 2^-170. }
  TFixed = record
    Limb: array[0..Last] of Int64;
    procedure Carry;
    class function From(X: Double): TFixed; static;
    class operator + (const A, B: TFixed): TFixed;
    class operator * (const A, B: TFixed): TFixed;
  end;

const
  Ln2: TFixed = (Limb: (0, $b17217f, $7d1cf79, $abc9e3b, $39803f2, $f6af40f, $3432672, $98b62d8));
  HalfPi: TFixed = (Limb: (1, $921fb54, $442d184, $69898cc, $51701b8, $39a2520, $49c1114, $cf98e80));

var
  InverseFactorial: array[0..47] of TFixed;

function BitsOf(X: Double): QWord;
begin
  Result := TDoubleRec(X).Data;
  if IsNaN(X) then
    Result := NaNBits;
end;

function DoubleOf(Bits: QWord): Double;
begin
  Result := TDoubleRec(Bits).Value;
  if IsNaN(Result) then
    Result := NaN;
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

class function TFixed.From(X: Double): TFixed;
var
  I: Integer;
begin
  for I := 0 to Last do
  begin
    Result.Limb[I] := Trunc(X);
    X := (X - Result.Limb[I]) * Base;
  end;
  Result.Carry;
end;

class operator TFixed.+ (const A, B: TFixed): TFixed;
var
  I: Integer;
begin
  for I := 0 to Last do
    Result.Limb[I] := A.Limb[I] + B.Limb[I];
  Result.Carry;
end;

{ The column after the last counts for what it carries; those beyond it are cut off. }
class operator TFixed.* (const A, B: TFixed): TFixed;
var
  I, J: Integer;
  Column: Int64;
begin
  Column := 0;
  for J := 1 to Last do
    Inc(Column, A.Limb[J] * B.Limb[Last + 1 - J]);
  Column := SarInt64(Column, LimbBits);
  for I := Last downto 0 do
  begin
    for J := 0 to I do
      Inc(Column, A.Limb[J] * B.Limb[I - J]);
    Result.Limb[I] := Column;
    Column := 0;
  end;
  Result.Carry;
end;

{ The double nearest to A * 2^Exponent, ties to even, rounded once at the last place that it has. What lies within the
  error of a short number, as a power may, is that number. }
function Nearest(A: TFixed; Exponent: Integer = 0): Double;
var
  IsNegative: Boolean;
  I, Take, Place, Drop: Integer;
  Top, Lost: QWord;
begin
  IsNegative := A.Limb[0] < 0;
  if IsNegative then
    A := TFixed.From(-1.0) * A;
  A.Limb[Last] := (A.Limb[Last] + 1 shl 21) and not Int64(1 shl 22 - 1);
  A.Carry;
  Top := 0; { gets 62 bits }
  Lost := 0;
  Place := Exponent + LimbBits;
  for I := 0 to Last do
  begin
    Take := Min(LimbBits, 62 - BsrQWord(2 * Top or 1));
    Top := Top shl Take or QWord(A.Limb[I]) shr (LimbBits - Take);
    Lost := Lost or QWord(A.Limb[I]) and (QWord(Mask) shr Take);
    Dec(Place, Take);
  end;
  if Lost > 0 then
    Top := Top or 1;
  Drop := Max(9, -1074 - Place);
  if Drop > 62 then
    Exit(0.0);
  Top := (Top + QWord(1) shl (Drop - 1) - 1 + Top shr Drop and 1) shr Drop;
  { the first bit of a normal number adds one to the exponent, and so does a carry }
  Result := DoubleOf(Min(QWord(Place + Drop + 1074) shl 52 + Top, InfinityBits));
  if IsNegative then
    Result := -Result;
end;

{ 1/First! + X/(First + Step)! + X^2/(First + 2 Step)! + ... }
function Series(const X: TFixed; First, Step, Count: Integer): TFixed;
var
  I: Integer;
begin
  Result := InverseFactorial[First + Step * (Count - 1)];
  for I := Count - 2 downto 0 do
    Result := InverseFactorial[First + Step * I] + Result * X;
end;

procedure MakeInverseFactorials;
var
  I, J: Integer;
  Rest: Int64;
begin
  InverseFactorial[0] := TFixed.From(1.0);
  for I := 1 to High(InverseFactorial) do
  begin
    Rest := 0;
    for J := 0 to Last do
    begin
      Rest := Rest shl LimbBits + InverseFactorial[I - 1].Limb[J];
      InverseFactorial[I].Limb[J] := Rest div I;
      Rest := Rest mod I;
    end;
  end;
end;

{ e^P = Result * 2^Exponent }
function Exponential(const P: TFixed; out Exponent: Integer): TFixed;
var
  I: Integer;
begin
  Exponent := Round((P.Limb[0] + P.Limb[1] / Base) * Log2E);
  Result := Series((P + TFixed.From(-Exponent) * Ln2) * TFixed.From(1.0 / 256.0), 0, 1, 18);
  for I := 1 to Halvings do
    Result := Result * Result;
end;

{ The library's logarithm y of m is good to 2^-50: log m = y + d - d^2/2 + d^3/3, with d = m e^-y - 1. }
function Logarithm(X: Double): TFixed;
var
  M: Float;
  Size, Shift: Integer;
  D: TFixed;
begin
  FrExp(X, M, Size);
  if M < 0.75 then
  begin
    M := 2.0 * M;
    Dec(Size);
  end;
  Result := TFixed.From(Ln(M));
  D := Exponential(TFixed.From(-Ln(M)), Shift);
  D := D * TFixed.From(LdExp(M, Shift)) + TFixed.From(-1.0);
  D := D + D * D * (TFixed.From(-0.5) + D * TFixed.From(Third));
  Result := Result + D + TFixed.From(Size) * Ln2;
end;

{ sin(X + Quarters * pi/2) }
function Wave(X: Double; Quarters: Integer): Double;
var
  Turns, Quadrant: Integer;
  R, Square: TFixed;
begin
  Turns := Round(X * TwoOverPi);
  Quadrant := (Turns + Quarters) and 3;
  R := TFixed.From(X) + TFixed.From(-Turns) * HalfPi;
  Square := TFixed.From(-1.0) * R * R;
  if Odd(Quadrant) then
    Result := Nearest(Series(Square, 0, 2, 24))
  else
    Result := Nearest(R * Series(Square, 1, 2, 24));
  if Quadrant >= 2 then
    Result := -Result;
end;

function ExactExp(X: Double): Double;
var
  Exponent: Integer;
  Power: TFixed;
begin
  if IsNaN(X) then
    Exit(X);
  Power := Exponential(TFixed.From(EnsureRange(X, -800.0, 800.0)), Exponent);
  Result := Nearest(Power, Exponent);
end;

function ExactLn(X: Double): Double;
begin
  if IsNaN(X) or (X < 0.0) then
    Result := NaN
  else if X = 0.0 then
    Result := NegInfinity
  else if (X = 1.0) or (X = Infinity) then
    Result := X - 1.0
  else
    Result := Nearest(Logarithm(X));
end;

function ExactSin(X: Double): Double;
begin
  if IsNaN(X) or (Abs(X) < 1E-8) then { X - X^3/6 rounds to X }
    Result := X
  else
    Result := Wave(X, 0);
end;

function ExactCos(X: Double): Double;
begin
  if IsNaN(X) then
    Result := X
  else
    Result := Wave(X, 1);
end;

function ExactPower(X, Y: Double): Double;
var
  Exponent: Integer;
  Power: TFixed;
begin
  if (Y = 0.0) or (X = 1.0) then
    Result := 1.0
  else if IsNaN(X) or (Y = 1.0) then
    Result := X
  else if Y = 2.0 then
    Result := X * X
  else if Y = -1.0 then
    Result := 1.0 / X
  else if (Y = 0.5) and (X >= 0.0) then
    Result := Sqrt(X) + 0.0
  else if (X < 0.0) and (X <> NegInfinity) and (Frac(Y) <> 0.0) then
    Result := NaN
  else
  begin
    Result := 0.0;
    if (X = 0.0) or IsInfinite(X) or (Abs(Ln(Abs(X)) * Y) > 800.0) then
    begin
      if (Abs(X) < 1.0) <> (Y > 0.0) then
        Result := Infinity;
    end
    else
    begin
      Power := Exponential(TFixed.From(Y) * Logarithm(Abs(X)), Exponent);
      Result := Nearest(Power, Exponent);
    end;
    if (BitsOf(X) shr 63 = 1) and (Frac(Y) = 0.0) and (Frac(Y / 2.0) <> 0.0) then
      Result := -Result;
  end;
end;

function Decimals(X: Double): string;
var
  Whole, Digits: Int64;
  Part: TFixed;
begin
  if IsNaN(X) then
    Exit('nan');
  Result := 'inf';
  if not IsInfinite(X) then
  begin
    Whole := Trunc(Abs(X));
    Part := TFixed.From(10000.0) * TFixed.From(Abs(X) - Whole);
    Digits := Part.Limb[0];
    { only multiples of 1/32 lie in the middle between two texts }
    if (Part.Limb[1] > Mask shr 1) and ((Frac(32.0 * X) <> 0.0) or Odd(Digits)) then
      Inc(Digits);
    Result := Format('%d.%.4d', [Whole + Digits div 10000, Digits mod 10000]);
  end;
  if BitsOf(X) shr 63 = 1 then
    Result := '-' + Result;
end;

initialization
  SetExceptionMask([exInvalidOp, exDenormalized, exZeroDivide, exOverflow, exUnderflow, exPrecision]);
  MakeInverseFactorials;
end.
