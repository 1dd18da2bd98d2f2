with Ada.Numerics.Generic_Elementary_Functions;
with Ada.Unchecked_Conversion;

package body Exact is

   use Interfaces;
   package Library is new Ada.Numerics.Generic_Elementary_Functions (Double);

   --  A number in fixed point: a signed integer and then limbs of 28 bits after the point, all of them >= 0. The last
   --  index is the precision. Few limbs decide nearly every call, Most every one that anybody has found
   --  (reference/EXACT.md).
   type Fixed is array (Natural range <>) of Integer_64;

   Few      : constant := 5;
   Most     : constant := 9;
   Base     : constant := 2 ** 28;
   Terms    : constant := 64;
   Halvings : constant := 8;

   Ln_2 : constant Fixed (0 .. Most) :=
     [0, 16#b17217f#, 16#7d1cf79#, 16#abc9e3b#, 16#39803f2#, 16#f6af40f#, 16#3432672#, 16#98b62d8#, 16#a0d175b#,
      16#8baafa2#];
   Half_Pi : constant Fixed (0 .. Most) :=
     [1, 16#921fb54#, 16#442d184#, 16#69898cc#, 16#51701b8#, 16#39a2520#, 16#49c1114#, 16#cf98e80#, 16#4177d4c#,
      16#7627364#];

   function To_Bits is new Ada.Unchecked_Conversion (Double, Unsigned_64);
   function To_Double is new Ada.Unchecked_Conversion (Unsigned_64, Double);

   Infinity_Bits : constant Unsigned_64 := 16#7ff0_0000_0000_0000#;
   NaN_Bits      : constant Unsigned_64 := 16#7ff8_0000_0000_0000#;
   Size_Mask     : constant Unsigned_64 := 2 ** 63 - 1;
   Infinity      : constant Double := To_Double (Infinity_Bits);
   NaN           : constant Double := To_Double (NaN_Bits);

   function Is_NaN (X : Double) return Boolean
   is ((To_Bits (X) and Size_Mask) > Infinity_Bits);

   function Is_Finite (X : Double) return Boolean
   is ((To_Bits (X) and Size_Mask) < Infinity_Bits);

   function Bits (X : Double) return Unsigned_64
   is (if Is_NaN (X) then NaN_Bits else To_Bits (X));

   function From_Bits (Pattern : Unsigned_64) return Double
   is (if (Pattern and Size_Mask) > Infinity_Bits then NaN else To_Double (Pattern));

   function Carried (A : Fixed) return Fixed is
      Limb : Integer_64;
   begin
      return B : Fixed := A do
         for I in reverse 1 .. B'Last loop
            Limb := B (I) mod Base;
            B (I - 1) := B (I - 1) + (B (I) - Limb) / Base;
            B (I) := Limb;
         end loop;
      end return;
   end Carried;

   function "+" (A, B : Fixed) return Fixed is
      Sum : Fixed (A'Range);
   begin
      for I in A'Range loop
         Sum (I) := A (I) + B (I);
      end loop;
      return Carried (Sum);
   end "+";

   function "*" (K : Integer; A : Fixed) return Fixed is
      Product : Fixed (A'Range);
   begin
      for I in A'Range loop
         Product (I) := Integer_64 (K) * A (I);
      end loop;
      return Carried (Product);
   end "*";

   function "-" (A : Fixed) return Fixed
   is ((-1) * A);

   function "-" (A, B : Fixed) return Fixed
   is (A + (-B));

   --  The column after the last counts for what it carries; those beyond it are cut off.
   function "*" (A, B : Fixed) return Fixed is
      N       : constant Natural := A'Last;
      Product : Fixed (0 .. N) := [others => 0];
      Beyond  : Integer_64 := 0;
   begin
      for J in 1 .. N loop
         Beyond := Beyond + A (J) * B (N + 1 - J);
      end loop;
      Product (N) := (Beyond - Beyond mod Base) / Base;
      for I in 0 .. N loop
         for J in 0 .. I loop
            Product (I) := Product (I) + A (J) * B (I - J);
         end loop;
      end loop;
      return Carried (Product);
   end "*";

   --  A / 2 ** Places
   function Halved (A : Fixed; Places : Positive) return Fixed is
      Half : Fixed (A'Range);
      Unit : constant Integer_64 := 2 ** Places;
   begin
      Half (0) := (A (0) - A (0) mod Unit) / Unit;
      for I in 1 .. A'Last loop
         Half (I) := A (I) / Unit + (A (I - 1) mod Unit) * (Base / Unit);
      end loop;
      return Half;
   end Halved;

   function To_Fixed (X : Double; Last : Natural) return Fixed is
      Rest : Double := abs X;
      A    : Fixed (0 .. Last);
   begin
      for Limb of A loop
         Limb := Integer_64 (Double'Truncation (Rest));
         Rest := (Rest - Double (Limb)) * Double (Base);
      end loop;
      return (if X < 0.0 then -A else A);
   end To_Fixed;

   --  The double nearest to A * 2 ** Exponent for A > 0, ties to even, rounded once at the last place that it has.
   function Rounded (A : Fixed; Exponent : Integer) return Double is
      I                : Natural := 0;
      Top, Next        : Unsigned_64;
      Half, Rest       : Unsigned_64;
      Sticky           : Unsigned_64 := 0;
      Room, Take       : Natural := 0;
      Place, Drop      : Integer;
   begin
      while A (I) = 0 loop
         I := I + 1;
      end loop;
      Top := Unsigned_64 (A (I));
      while Shift_Right (Top, 61 - Room) = 0 loop  --  it gets 62 bits
         Room := Room + 1;
      end loop;
      Place := Exponent - 28 * I - Room;
      while I < A'Last or else Room > 0 loop
         I := I + 1;
         Next := (if I <= A'Last then Unsigned_64 (A (I)) else 0);
         Take := Natural'Min (Room, 28);
         Top := Shift_Left (Top, Take) or Shift_Right (Next, 28 - Take);
         Sticky := Sticky or (Next and (2 ** (28 - Take) - 1));
         Room := Room - Take;
      end loop;
      Drop := Integer'Max (9, -1074 - Place);
      if Drop > 62 then
         return 0.0;
      end if;
      Half := 2 ** (Drop - 1);
      Rest := Top and (2 * Half - 1);
      Top := Shift_Right (Top, Drop);
      if Rest > Half or else (Rest = Half and then (Sticky > 0 or else (Top and 1) = 1)) then
         Top := Top + 1;
      end if;
      if Place + Drop + 1074 >= 2047 then
         return Infinity;
      end if;
      --  A carry makes the exponent greater, as it should.
      return To_Double (Unsigned_64'Min (Shift_Left (Unsigned_64 (Place + Drop + 1074), 52) + Top, Infinity_Bits));
   end Rounded;

   function Inverse_Factorials return Fixed;

   --  1/I! begins at I * (Most + 1).
   function Inverse_Factorials return Fixed is
      Table : Fixed (0 .. Terms * (Most + 1) - 1) := [0 => 1, others => 0];
      Rest  : Integer_64;
   begin
      for I in 1 .. Terms - 1 loop
         Rest := 0;
         for J in 0 .. Most loop
            Rest := Rest * Base + Table ((I - 1) * (Most + 1) + J);
            Table (I * (Most + 1) + J) := Rest / Integer_64 (I);
            Rest := Rest mod Integer_64 (I);
         end loop;
      end loop;
      return Table;
   end Inverse_Factorials;

   Table : constant Fixed := Inverse_Factorials;

   function Inverse_Factorial (I, Last : Natural) return Fixed is
      A : constant Fixed (0 .. Last) := Table (I * (Most + 1) .. I * (Most + 1) + Last);
   begin
      return A;
   end Inverse_Factorial;

   --  1/First! + X/(First + Step)! + X**2/(First + 2 Step)! + ..., or the same with alternating signs.
   function Series (X : Fixed; First, Step, Length : Natural; Sign : Integer) return Fixed is
      Sum : Fixed := Inverse_Factorial (First + Step * (Length - 1), X'Last);
   begin
      for I in reverse 0 .. Length - 2 loop
         Sum := Inverse_Factorial (First + Step * I, X'Last) + Sign * (Sum * X);
      end loop;
      return Sum;
   end Series;

   --  A value in fixed point, with Last limbs after the point, to be multiplied by 2 ** Exponent.
   type Evaluation is access function (X : Double; K : Integer; Last : Natural; Exponent : out Integer) return Fixed;

   --  e ** P
   function Exponential (P : Fixed; Exponent : out Integer) return Fixed is
      Size : constant Double := Double (P (0)) + Double (P (1)) / Double (Base);
   begin
      Exponent := Integer (Size / Library.Log (2.0));
      return Power : Fixed :=
        Series (Halved (P - Exponent * Ln_2 (P'Range), Halvings), 0, 1, 4 + 2 * P'Last, 1)
      do
         for I in 1 .. Halvings loop
            Power := Power * Power;
         end loop;
      end return;
   end Exponential;

   function Power_Of_E (X : Double; K : Integer; Last : Natural; Exponent : out Integer) return Fixed
   is (Exponential (To_Fixed (X, Last + K), Exponent));

   --  log m = y + d - d**2/2 + d**3/3 - ..., with d = m e**-y - 1. The library's y is good to 2**-52, the next to
   --  2**-150.
   function Logarithm (X : Double; K : Integer; Last : Natural; Exponent : out Integer) return Fixed is
      M    : Double := Double'Fraction (X);
      Size : Integer := Double'Exponent (X);
      Y    : Fixed (0 .. Last);

      procedure Refine (Last : Natural) is
         Shift : Integer;
         Power : constant Fixed := Exponential (-Y (0 .. Last), Shift);
         One   : constant Fixed (0 .. Last) := [0 => 1, others => 0];
         D     : constant Fixed := Power * To_Fixed (Double'Scaling (M, Shift), Last) - One;
      begin
         Y (0 .. Last) := Y (0 .. Last) + D - Halved (D * D, 1);
      end Refine;
   begin
      if M < 0.75 then
         M := 2.0 * M;
         Size := Size - 1;
      end if;
      Y := To_Fixed (Library.Log (M), Last);
      Refine (Few);
      if Last = Most then
         Refine (Most);
      end if;
      Exponent := K;
      return Y + Size * Ln_2 (0 .. Last);
   end Logarithm;

   --  sin (X + Quarters * pi/2)
   function Wave (X : Double; Quarters : Integer; Last : Natural; Exponent : out Integer) return Fixed is
      Turns    : constant Integer := Integer (X / (Ada.Numerics.Pi / 2.0));
      Quadrant : constant Integer := (Turns + Quarters) mod 4;
      Is_Sine  : constant Boolean := Quadrant mod 2 = 0;
      R        : constant Fixed := To_Fixed (X, Last) - Turns * Half_Pi (0 .. Last);
      Sum      : constant Fixed := Series (R * R, (if Is_Sine then 1 else 0), 2, 6 + 5 * Last / 2, -1);
      Y        : constant Fixed := (if Is_Sine then R * Sum else Sum);
   begin
      Exponent := 0;
      return (if Quadrant >= 2 then -Y else Y);
   end Wave;

   --  X ** (Twice/2)
   function Power (X : Double; Twice : Integer; Last : Natural; Exponent : out Integer) return Fixed is
      Unused : Integer;
      Log_X  : constant Fixed := Logarithm (X, 0, Last, Unused);
   begin
      return Exponential (Halved (Twice * Log_X, 1), Exponent);
   end Power;

   --  The value is off by less than the slack. With Most limbs, what lies within the slack of a double, or of the middle
   --  between two, is that: a power of a short number may be.
   function Nearest (Evaluate : Evaluation; X : Double; K : Integer) return Double is

      function Attempt (Last : Natural; Is_Sure : out Boolean) return Double is
         Exponent : Integer;
         Value    : constant Fixed := Evaluate (X, K, Last, Exponent);
         Size     : constant Fixed := (if Value (0) < 0 then -Value else Value);
         Slack    : constant Fixed (0 .. Last) := [for I in 0 .. Last => (if I = Last - 1 then 2 ** 14 else 0)];
         Above    : Fixed := Size + Slack;
         Result   : Double;
      begin
         if Last = Most then
            Above (Last) := 0;
            Above (Last - 1) := Above (Last - 1) - Above (Last - 1) mod 2 ** 15;
         end if;
         Result := Rounded (Above, Exponent);
         Is_Sure := Last = Most or else Result = Rounded (Size - Slack, Exponent);
         return (if Value (0) < 0 then -Result else Result);
      end Attempt;

      Is_Sure : Boolean;
      Result  : Double := Attempt (Few, Is_Sure);
   begin
      if not Is_Sure then
         Result := Attempt (Most, Is_Sure);
      end if;
      return Result;
   end Nearest;

   function Exp (X : Double) return Double
   is (if Is_NaN (X) then NaN else Nearest (Power_Of_E'Access, Double'Min (Double'Max (X, -800.0), 800.0), 0));

   function Log (X : Double) return Double
   is (if Is_NaN (X) or else X < 0.0 then NaN
       elsif X = 0.0 then -Infinity
       elsif not Is_Finite (X) then X
       elsif X = 1.0 then 0.0
       else Nearest (Logarithm'Access, X, 0));

   --  For small X, x - x**3/6 rounds to x.
   function Sin (X : Double) return Double
   is (if Is_NaN (X) then NaN elsif abs X < 2.0 ** (-26) then X else Nearest (Wave'Access, X, 0));

   function Cos (X : Double) return Double
   is (if Is_NaN (X) then NaN else Nearest (Wave'Access, X, 1));

   function Square_Root (X : Double) return Double
   is (if Is_NaN (X) or else X < 0.0 then NaN else Library.Sqrt (X));

   function Pow (X, Y : Double) return Double is
      Is_Whole : constant Boolean := Double'Truncation (Y) = Y;
      Is_Odd   : constant Boolean := Is_Whole and then Double'Truncation (Y / 2.0) /= Y / 2.0;
   begin
      if Y = 0.0 or else X = 1.0 then
         return 1.0;
      elsif Is_NaN (X) then
         return NaN;
      elsif Y = 1.0 then
         return X;
      elsif Y = 2.0 then
         return X * X;
      elsif Y = -1.0 then
         return 1.0 / X;
      elsif X = 0.0 or else not Is_Finite (X) then
         return Size : Double := (if (X = 0.0) = (Y > 0.0) then 0.0 else Infinity) do
            if Is_Odd then
               Size := Double'Copy_Sign (Size, X);
            end if;
         end return;
      elsif X < 0.0 then
         return (if not Is_Whole then NaN elsif Is_Odd then -Pow (-X, Y) else Pow (-X, Y));
      elsif Y = 0.5 then
         return Library.Sqrt (X);
      elsif abs (Library.Log (X) * Y) > 800.0 then
         return (if Library.Log (X) * Y > 0.0 then Infinity else 0.0);
      else
         return Nearest (Power'Access, X, Integer (2.0 * Y));
      end if;
   end Pow;

   function Decimals (X : Double) return String is
      Sign : constant String := (if Shift_Right (To_Bits (X), 63) = 1 then "-" else "");
   begin
      if Is_NaN (X) then
         return "nan";
      elsif not Is_Finite (X) then
         return Sign & "inf";
      end if;
      declare
         Whole  : Integer_64 := Integer_64 (Double'Truncation (abs X));
         Part   : constant Fixed := 10_000 * To_Fixed (abs X - Double (Whole), Most);
         Digit  : Integer_64 := Part (0);
         Middle : constant Boolean := Part (1) = Base / 2 and then (for all Limb of Part (2 .. Most) => Limb = 0);
      begin
         if Part (1) >= Base / 2 and then not (Middle and then Digit mod 2 = 0) then
            Digit := Digit + 1;
         end if;
         Whole := Whole + Digit / 10_000;
         declare
            Image : constant String := Integer_64'Image (10_000 + Digit mod 10_000);
            Front : constant String := Integer_64'Image (Whole);
         begin
            return Sign & Front (2 .. Front'Last) & "." & Image (3 .. Image'Last);
         end;
      end;
   end Decimals;

end Exact;
