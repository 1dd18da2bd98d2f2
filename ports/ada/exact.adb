with Ada.Numerics.Generic_Elementary_Functions;
with Ada.Unchecked_Conversion;

package body Exact is

   use Interfaces;
   package Library is new Ada.Numerics.Generic_Elementary_Functions (Double);

   Base     : constant := 2 ** 28;
   Last     : constant := 7;
   Halvings : constant := 8;

   --  A number in fixed point: a signed integer, then limbs of 28 bits after the point, all of them >= 0. What is
   --  computed here is off by less than 2 ** (-175); the hardest arguments known are decided by 2 ** (-170).
   type Fixed is array (0 .. Last) of Integer_64;

   Ln_2 : constant Fixed :=
     [0, 16#b17217f#, 16#7d1cf79#, 16#abc9e3b#, 16#39803f2#, 16#f6af40f#, 16#3432672#, 16#98b62d8#];
   Half_Pi : constant Fixed :=
     [1, 16#921fb54#, 16#442d184#, 16#69898cc#, 16#51701b8#, 16#39a2520#, 16#49c1114#, 16#cf98e80#];

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
         for I in reverse 1 .. Last loop
            Limb := B (I) mod Base;
            B (I - 1) := B (I - 1) + (B (I) - Limb) / Base;
            B (I) := Limb;
         end loop;
      end return;
   end Carried;

   function "+" (A, B : Fixed) return Fixed
   is (Carried ([for I in Fixed'Range => A (I) + B (I)]));

   function "*" (K : Integer; A : Fixed) return Fixed
   is (Carried ([for I in Fixed'Range => Integer_64 (K) * A (I)]));

   --  The column after the last counts for what it carries; those beyond it are cut off.
   function "*" (A, B : Fixed) return Fixed is
      Product : Fixed := [others => 0];
   begin
      for J in 1 .. Last loop
         Product (Last) := Product (Last) + A (J) * B (Last + 1 - J);
      end loop;
      Product (Last) := (Product (Last) - Product (Last) mod Base) / Base;
      for I in Fixed'Range loop
         for J in 0 .. I loop
            Product (I) := Product (I) + A (J) * B (I - J);
         end loop;
      end loop;
      return Carried (Product);
   end "*";

   function To_Fixed (X : Double) return Fixed is
      Rest : Double := X;
      A    : Fixed;
   begin
      for Limb of A loop
         Limb := Integer_64 (Double'Truncation (Rest));
         Rest := (Rest - Double (Limb)) * Double (Base);
      end loop;
      return Carried (A);
   end To_Fixed;

   --  The double nearest to Value * 2 ** Exponent, ties to even, rounded once at the last place that it has. What lies
   --  within the error of a short number, as a power may, is that number.
   function Nearest (Value : Fixed; Exponent : Integer := 0) return Double is
      Error     : constant := 2 ** 21;
      A         : Fixed := (if Value (0) < 0 then (-1) * Value else Value);
      Top, Lost : Unsigned_64 := 0;  --  Top gets 62 bits
      Take      : Natural;
      Drop      : Integer;
      Place     : Integer := Exponent + 28;
      Result    : Double;
   begin
      A (Last) := A (Last) + Error;
      A := Carried (A);
      A (Last) := A (Last) - A (Last) mod (2 * Error);
      for Limb of A loop
         Take := 28;
         while Shift_Right (Top, 62 - Take) > 0 loop
            Take := Take - 1;
         end loop;
         Top := Shift_Left (Top, Take) or Shift_Right (Unsigned_64 (Limb), 28 - Take);
         Lost := Lost or (Unsigned_64 (Limb) and (2 ** (28 - Take) - 1));
         Place := Place - Take;
      end loop;
      Top := Top or Unsigned_64'Min (Lost, 1);
      Drop := Integer'Max (9, -1074 - Place);
      if Drop > 62 then
         return 0.0;
      end if;
      Top := Shift_Right (Top + 2 ** (Drop - 1) - 1 + (Shift_Right (Top, Drop) and 1), Drop);
      --  The first bit of a normal number adds one to the exponent, and so does a carry.
      Result := To_Double (Unsigned_64'Min (Shift_Left (Unsigned_64 (Place + Drop + 1074), 52) + Top, Infinity_Bits));
      return (if Value (0) < 0 then -Result else Result);
   end Nearest;

   type Fixed_List is array (0 .. 47) of Fixed;

   function Inverse_Factorials return Fixed_List is
      Rest : Integer_64;
   begin
      return Table : Fixed_List := [others => [1, others => 0]] do
         for I in 1 .. Table'Last loop
            Rest := 0;
            for J in Fixed'Range loop
               Rest := Rest * Base + Table (I - 1) (J);
               Table (I) (J) := Rest / Integer_64 (I);
               Rest := Rest mod Integer_64 (I);
            end loop;
         end loop;
      end return;
   end Inverse_Factorials;

   Inverse_Factorial : constant Fixed_List := Inverse_Factorials;

   --  1/First! + X/(First + Step)! + X**2/(First + 2 Step)! + ...
   function Series (X : Fixed; First, Step, Terms : Natural) return Fixed is
   begin
      return Sum : Fixed := [others => 0] do
         for I in reverse 0 .. Terms - 1 loop
            Sum := Inverse_Factorial (First + Step * I) + Sum * X;
         end loop;
      end return;
   end Series;

   --  e ** P = Power * 2 ** Exponent
   procedure Exponential (P : Fixed; Power : out Fixed; Exponent : out Integer) is
      Size : constant Double := Double (P (0)) + Double (P (1)) / Double (Base);
   begin
      Exponent := Integer (Size / Library.Log (2.0));
      Power := Series ((P + (-Exponent) * Ln_2) * To_Fixed (2.0 ** (-Halvings)), 0, 1, 18);
      for I in 1 .. Halvings loop
         Power := Power * Power;
      end loop;
   end Exponential;

   --  The library's logarithm y of m is good to 2 ** (-50): log m = y + d - d**2/2 + d**3/3, with d = m e**-y - 1.
   function Logarithm (X : Double) return Fixed is
      M        : Double := Double'Fraction (X);
      Exponent : Integer := Double'Exponent (X);
      Y, D     : Fixed;
      Shift    : Integer;
   begin
      if M < 0.75 then
         M := 2.0 * M;
         Exponent := Exponent - 1;
      end if;
      Y := To_Fixed (Library.Log (M));
      Exponential ((-1) * Y, D, Shift);
      D := D * To_Fixed (Double'Scaling (M, Shift)) + To_Fixed (-1.0);
      D := D + D * D * (To_Fixed (-0.5) + D * To_Fixed (1.0 / 3.0));
      return Y + D + Exponent * Ln_2;
   end Logarithm;

   --  sin (X + Quarters * pi/2)
   function Wave (X : Double; Quarters : Integer) return Double is
      Turns    : constant Integer := Integer (X / (Ada.Numerics.Pi / 2.0));
      Quadrant : constant Integer := (Turns + Quarters) mod 4;
      R        : constant Fixed := To_Fixed (X) + (-Turns) * Half_Pi;
      Square   : constant Fixed := (-1) * (R * R);
      Result   : constant Double :=
        Nearest (if Quadrant mod 2 = 0 then R * Series (Square, 1, 2, 24) else Series (Square, 0, 2, 24));
   begin
      return (if Quadrant >= 2 then -Result else Result);
   end Wave;

   function Exp (X : Double) return Double is
      Power    : Fixed;
      Exponent : Integer;
   begin
      if Is_NaN (X) then
         return NaN;
      end if;
      Exponential (To_Fixed (Double'Min (Double'Max (X, -800.0), 800.0)), Power, Exponent);
      return Nearest (Power, Exponent);
   end Exp;

   function Log (X : Double) return Double
   is (if Is_NaN (X) or else X < 0.0 then NaN
       elsif X = 0.0 then -Infinity
       elsif X = 1.0 or else not Is_Finite (X) then X - 1.0
       else Nearest (Logarithm (X)));

   --  For small X, x - x**3/6 rounds to x.
   function Sin (X : Double) return Double
   is (if Is_NaN (X) then NaN elsif abs X < 2.0 ** (-26) then X else Wave (X, 0));

   function Cos (X : Double) return Double
   is (if Is_NaN (X) then NaN else Wave (X, 1));

   function Square_Root (X : Double) return Double
   is (if X > 0.0 and then Is_Finite (X) then Library.Sqrt (X) elsif X < 0.0 then NaN else X);

   function Pow (X, Y : Double) return Double is
      Result   : Double;
      Power    : Fixed;
      Exponent : Integer;
   begin
      if Y = 0.0 or else X = 1.0 then
         return 1.0;
      elsif Is_NaN (X) or else Y = 1.0 then
         return X;
      elsif Y = 2.0 then
         return X * X;
      elsif Y = -1.0 then
         return 1.0 / X;
      elsif Y = 0.5 and then X >= 0.0 then
         return Square_Root (X) + 0.0;
      elsif X < 0.0 and then Is_Finite (X) and then Double'Truncation (Y) /= Y then
         return NaN;
      elsif X = 0.0 or else not Is_Finite (X) or else abs (Library.Log (abs X) * Y) > 800.0 then
         Result := (if (abs X < 1.0) /= (Y > 0.0) then Infinity else 0.0);
      else
         Exponential (To_Fixed (Y) * Logarithm (abs X), Power, Exponent);
         Result := Nearest (Power, Exponent);
      end if;
      return (if Double'Remainder (Y, 2.0) in -1.0 | 1.0 then Double'Copy_Sign (Result, X) else Result);
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
         Whole    : constant Double := Double'Truncation (abs X);
         Part     : constant Fixed := 10_000 * To_Fixed (abs X - Whole);
         Is_Tie   : constant Boolean := Double'Truncation (32.0 * X) = 32.0 * X;  --  or an integer
         Goes_Up  : constant Boolean := Part (1) >= Base / 2 and then not (Is_Tie and then Part (0) mod 2 = 0);
         Rounded  : constant Integer_64 := Part (0) + (if Goes_Up then 1 else 0);
         Fraction : constant String := Integer_64'Image (10_000 + Rounded mod 10_000);
         Integral : constant String := Integer_64'Image (Integer_64 (Whole) + Rounded / 10_000);
      begin
         return Sign & Integral (2 .. Integral'Last) & "." & Fraction (3 .. Fraction'Last);
      end;
   end Decimals;

end Exact;
