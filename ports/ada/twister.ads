--  The Mersenne Twister MT19937 with Python's random numbers (SPEC, section 3). There is one stream at a time.

with Exact;    use Exact;
with Interfaces;
with Protocol; use Protocol;

package Twister is

   subtype Word is Interfaces.Unsigned_32;

   State    : array (0 .. 623) of Word;
   Index    : Natural;
   Has_Kept : Boolean;
   Kept     : Double;

   procedure Seed (Key : Word);
   function Draw return Word;
   function Random return Double;
   function Gauss (Sigma : Double) return Double;
   function Shuffled (Count : Natural) return Integers;   --  the numbers from 0, shuffled
   function Choice (Weights : Doubles) return Natural;    --  counted from 0

end Twister;
