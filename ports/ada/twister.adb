package body Twister is

   use Interfaces;

   procedure Seed (Key : Word) is

      procedure Mix (I : Positive; Factor, Summand : Word) is
      begin
         State (I) := (State (I) xor (Factor * (State (I - 1) xor Shift_Right (State (I - 1), 30)))) + Summand;
      end Mix;

      I : Positive := 1;
   begin
      State := [19_650_218, others => 0];
      for I in 1 .. 623 loop
         Mix (I, 1_812_433_253, Word (I));
      end loop;
      for K in 1 .. 624 + 623 loop
         if K <= 624 then
            Mix (I, 1_664_525, Key);
         else
            Mix (I, 1_566_083_941, -Word (I));
         end if;
         I := I + 1;
         if I = 624 then
            State (0) := State (623);
            I := 1;
         end if;
      end loop;
      State (0) := 2 ** 31;
      Index := 624;
      Has_Kept := False;
      Kept := 0.0;
   end Seed;

   function Draw return Word is
      Y : Word;
   begin
      if Index = 624 then
         for I in State'Range loop
            Y := (State (I) and 2 ** 31) or (State ((I + 1) mod 624) and (2 ** 31 - 1));
            State (I) := State ((I + 397) mod 624) xor Shift_Right (Y, 1) xor (2_567_483_615 * (Y and 1));
         end loop;
         Index := 0;
      end if;
      Y := State (Index);
      Index := Index + 1;
      Y := Y xor Shift_Right (Y, 11);
      Y := Y xor (Shift_Left (Y, 7) and 2_636_928_640);
      Y := Y xor (Shift_Left (Y, 15) and 4_022_730_752);
      return Y xor Shift_Right (Y, 18);
   end Draw;

   function Random return Double is
      A : constant Word := Shift_Right (Draw, 5);
      B : constant Word := Shift_Right (Draw, 6);
   begin
      return (Double (A) * 67_108_864.0 + Double (B)) / 9_007_199_254_740_992.0;
   end Random;

   function Gauss (Sigma : Double) return Double is
      X, R : Double;
      Z    : Double := Kept;
   begin
      Has_Kept := not Has_Kept;
      if Has_Kept then
         X := Random * 6.283185307179586;
         R := Square_Root (-2.0 * Log (1.0 - Random));
         Z := Cos (X) * R;
         Kept := Sin (X) * R;
      end if;
      return 0.0 + Z * Sigma;
   end Gauss;

   function Shuffled (Count : Natural) return Integers is
      J, Held : Integer;
      Shift   : Natural;
   begin
      return Item : Integers := [for I in 1 .. Count => I - 1] do
         for I in reverse 2 .. Count loop
            Shift := 31;
            while Shift_Right (Word (I), 32 - Shift) > 0 loop
               Shift := Shift - 1;
            end loop;
            loop
               J := 1 + Integer (Shift_Right (Draw, Shift));
               exit when J <= I;
            end loop;
            Held := Item (I);
            Item (I) := Item (J);
            Item (J) := Held;
         end loop;
      end return;
   end Shuffled;

   function Choice (Weights : Doubles) return Natural is
      Sums         : Doubles := Weights;
      Low          : Natural := 0;
      High, Middle : Natural;
      U            : Double;
   begin
      for I in 2 .. Sums'Last loop
         Sums (I) := Sums (I - 1) + Weights (I);
      end loop;
      Expect (Sums (Sums'Last) > 0.0 and then Is_Finite (Sums (Sums'Last)), "weights with a finite total above 0");
      U := Random * Sums (Sums'Last);
      High := Sums'Last - 1;
      while Low < High loop
         Middle := (Low + High) / 2;
         if U < Sums (Middle + 1) then
            High := Middle;
         else
            Low := Middle + 1;
         end if;
      end loop;
      return Low;
   end Choice;

end Twister;
