--  Doubles, and functions that give the double nearest to the true value (SPEC, section 2).

with Interfaces;

package Exact is

   subtype Double is Long_Float;
   type Doubles is array (Positive range <>) of Double;

   function Bits (X : Double) return Interfaces.Unsigned_64;  --  all NaNs count as one
   function From_Bits (Pattern : Interfaces.Unsigned_64) return Double;

   function Is_NaN (X : Double) return Boolean;
   function Is_Finite (X : Double) return Boolean;

   function Exp (X : Double) return Double;
   function Log (X : Double) return Double;
   function Sin (X : Double) return Double with Pre => not (abs X > 8.0);
   function Cos (X : Double) return Double with Pre => not (abs X > 8.0);
   function Pow (X, Y : Double) return Double
   with Pre => abs Y <= 4096.0 and then Double'Truncation (2.0 * Y) = 2.0 * Y;
   function Square_Root (X : Double) return Double;  --  NaN where the library's Sqrt raises an exception

   function Decimals (X : Double) return String;  --  four of them, rounded once, ties to even (SPEC, section 10)

end Exact;
